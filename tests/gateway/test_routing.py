"""Finding a route: first match, safe addresses, and the table that is shipped."""

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app import FOLDER
from gateway.routing import (
    AddressTooLong,
    Route,
    RouteTable,
    check_query,
    load_routes,
    read_route,
    segments_of,
)
from servicekit.problems import Malformed, MethodNotAllowed, NotFound

SHIPPED = load_routes(FOLDER / "routes.yaml")


def table(*paths: str) -> RouteTable:
    return RouteTable(Route(path, ("GET",), "registers") for path in paths)


def test_the_first_route_that_fits_is_taken() -> None:
    routes = table("/a/{x}", "/a/b", "/a/{x:path}", "/{y:path}")
    assert routes.match("GET", b"/a/b").route.path == "/a/{x}"
    assert routes.match("GET", b"/a/b/c").route.path == "/a/{x:path}"
    assert routes.match("GET", b"/c").route.path == "/{y:path}"
    assert table("/a/b", "/a/{x}").match("GET", b"/a/b").route.path == "/a/b"


def test_the_method_belongs_to_the_match() -> None:
    routes = RouteTable(
        [Route("/a/{x}", ("GET",), "registers"), Route("/a/b", ("POST",), "registers")]
    )
    assert routes.match("POST", b"/a/b").route.path == "/a/b"
    assert routes.match("GET", b"/a/b").route.path == "/a/{x}"
    with pytest.raises(MethodNotAllowed) as refused:
        routes.match("PUT", b"/a/b")
    assert refused.value.headers == {"Allow": "GET, HEAD, POST"}


def test_places_are_decoded_and_hold_one_part_or_the_rest() -> None:
    routes = table("/r/{register}/records/{key}", "/p/{rest:path}")
    match = routes.match("GET", b"/r/island/records/K%20x%3A1")
    assert match.parameters == {"register": "island", "key": "K x:1"}
    assert routes.match("GET", b"/p/a/b/").parameters == {"rest": "a/b/"}
    assert routes.match("GET", b"/p/").parameters == {"rest": ""}
    for missing in (b"/p", b"/r/island/records/", b"/r/island/records", b"/R/island/records/x"):
        with pytest.raises(NotFound):
            routes.match("GET", missing)


@pytest.mark.parametrize(
    "path",
    [
        b"/a%2f..%2fb", b"/%2e%2e%2Fb", b"/a%2F.", b"/a%5cb", b"/a\\b",
        b"/a/../b", b"/a/./b", b"/..", b"/a/%2e%2e/b",
        b"/a/%2E/b", b"/a/.%2e", b"/a%00", b"/a%0d%0a", b"/a%7f", b"/a\x00", b"/a\x7f", b"/a b",
        b"/a%", b"/a%4", b"/a%zz", b"/a%252fb", b"/a%252e", b"//a", b"/a//b", b"a", b"", b"*",
        b"http://x/a", b"/a%ff", b"/a%ed%a0%80", b"/\xc3\xa9", b"/a{b}", b'/a"b', b"/a<b>",
        b"/a#b", b"/a?b", b"/a%25%32%66",
    ],
)  # fmt: skip
def test_an_address_that_could_be_read_in_two_ways_is_refused(path: bytes) -> None:
    with pytest.raises(Malformed):
        segments_of(path)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        (b"/", [""]),
        (b"/a/", ["a", ""]),
        (b"/a%20b/c", ["a b", "c"]),
        (b"/%C3%A9", ["é"]),
        (b"/a;b=c,d:e@f!$&'()*+~", ["a;b=c,d:e@f!$&'()*+~"]),
        (b"/100%25", ["100%"]),
        (b"/a..b/...", ["a..b", "..."]),
    ],
)
def test_an_ordinary_address_is_split(path: bytes, segments: list[str]) -> None:
    assert segments_of(path) == segments


def test_addresses_have_a_length() -> None:
    with pytest.raises(AddressTooLong):
        segments_of(b"/" + b"a" * 9000)
    with pytest.raises(AddressTooLong):
        check_query(b"a" * 9000)
    for query in (b"a b", b"a\r\nb", b"\xff", b"\x00"):
        with pytest.raises(Malformed):
            check_query(query)


@given(st.binary(max_size=60).map(lambda tail: b"/" + tail))
def test_any_bytes_are_split_or_refused_and_never_more(path: bytes) -> None:
    try:
        segments = segments_of(path)
    except Malformed:
        return
    assert not {".", ".."} & set(segments)
    assert all(segments[:-1])
    assert not any(set(segment) & set("\\\x00\r\n") for segment in segments)
    assert all({".", ".."}.isdisjoint(segment.split("/")) for segment in segments)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
def test_what_is_accepted_comes_back_as_it_was_written(parts: list[str]) -> None:
    try:
        path = "/" + "/".join(quote(part, safe="") for part in parts)
    except UnicodeEncodeError:
        return  # half a character cannot be written into an address
    try:
        assert segments_of(path.encode()) == parts
    except Malformed:
        assert any(
            {".", ".."}.intersection(part.split("/"))
            or re.search(r"[\\\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}", part)
            for part in parts
        )


def test_an_escaped_slash_passes_only_where_it_is_declared_and_stays_in_its_part() -> None:
    routes = RouteTable(
        [
            Route("/r/{key}", ("GET",), "registers", escaped_slashes=True),
            Route("/r/{key}/entries", ("GET",), "registers", escaped_slashes=True),
            Route("/r/{a}/{b}", ("GET",), "registers"),
            Route("/p/{rest:path}", ("GET",), "portal"),
        ]
    )
    match = routes.match("GET", b"/r/SI%2F2015%2f1")
    assert (match.route.path, match.parameters) == ("/r/{key}", {"key": "SI/2015/1"})
    assert match.has_slash
    assert routes.match("GET", b"/r/a%2Fentries").route.path == "/r/{key}"
    assert routes.match("GET", b"/r/a%2Fb/entries").parameters == {"key": "a/b"}
    assert not routes.match("GET", b"/r/a").has_slash
    for refused in (b"/r/a%2Fb/c", b"/p/a%2Fb", b"/r%2Fa", b"/nowhere%2Fb", b"/r/..%2Fa"):
        with pytest.raises(Malformed):
            routes.match("GET", refused)


def test_a_thousand_routes_cost_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    visited = 0
    from gateway import routing

    collect: Callable[..., None] = routing._collect

    def counting(*args: object) -> None:
        nonlocal visited
        visited += 1
        collect(*args)

    monkeypatch.setattr(routing, "_collect", counting)
    for count in (1, 1000):
        routes = table(*(f"/s{number}/{{x}}/y" for number in range(count)))
        visited = 0
        routes.match("GET", b"/s0/a/y")
        assert visited == 4


# -- the table that is shipped


@pytest.mark.parametrize(
    ("method", "path", "service", "auth"),
    [
        ("GET", "/", "portal", "none"),
        ("POST", "/portal/licence", "portal", "none"),
        ("GET", "/portal/openapi.json", "portal", "none"),
        ("GET", "/identity/.well-known/openid-configuration", "identity", "none"),
        ("GET", "/.well-known/oauth-authorization-server/identity", "identity", "none"),
        ("POST", "/identity/token", "identity", "none"),
        ("GET", "/identity/userinfo", "identity", "upstream"),
        ("GET", "/identity/contact-details", "identity", "token"),
        ("POST", "/identity/consents/c-1/withdraw", "identity", "none"),
        ("GET", "/registers/openapi.json", "registers", "none"),
        ("GET", "/registers/island/records/K-Thulusdhoo", "registers", "optional"),
        ("GET", "/registers/island/proofs/register", "registers", "optional"),
        ("GET", "/registers/island/proofs/consistency/1/2", "registers", "optional"),
        ("POST", "/registers/fishing-vessel/entries", "registers", "token"),
        ("POST", "/v2/notifications/sms", "notify", "upstream"),
        ("POST", "/v2/template/t-1/preview", "notify", "upstream"),
        ("GET", "/notify/inbox", "notify", "token"),
        ("GET", "/exchanges", "gateway", "token"),
        ("POST", "/operate/reset", "gateway", "token"),
    ],
)
def test_the_platforms_addresses_are_routed(
    method: str, path: str, service: str, auth: str
) -> None:
    route = SHIPPED.match(method, path.encode()).route
    assert (route.service, route.auth) == (service, auth)


@pytest.mark.parametrize("service", ["identity", "registers", "notify", "portal"])
def test_a_services_inner_addresses_are_not_routed(service: str) -> None:
    for path in (f"/{service}/operate/reset", f"/{service}/feed"):
        try:
            route = SHIPPED.match("POST", path.encode()).route
        except (NotFound, MethodNotAllowed):
            continue
        assert route.service == service == "portal"  # whose pages share one pattern


def test_every_shown_route_says_what_happened_in_both_languages() -> None:
    for route in SHIPPED.routes:
        if route.quiet:
            continue
        for words in route.says.values():
            places = set(re.findall(r"\{(\w+)\}", words)) - {"caller"}
            assert places <= set(re.findall(r"\{(\w+)\}", route.path))
            assert route.personal is None or not places
        assert route.says["en"].endswith(".")


@pytest.mark.parametrize(
    "line",
    [
        {"personal": "read"},
        {"personal": "read", "categories": ["a"], "bases": ["own"]},
        {"auth": "token"},
        {"scopes": ["a"]},
        {"auth": "token", "scopes": ["a"], "personal": "read", "categories": ["a"], "bases": ["x"]},
        {"quiet": False},
        {"escaped_slashes": True},
    ],
)
def test_rules_that_do_not_fit_together_stop_the_start(line: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="/a: "):
        read_route({"path": "/a", "methods": ["GET"], "service": "s", "quiet": True} | line)


def test_a_declared_suffix_names_a_format_and_no_other_does() -> None:
    line = {"methods": ["GET"], "service": "registers", "suffixes": ["json", "csv"]}
    line |= {"says": {"en": "x", "dv": "x"}}
    table = RouteTable([read_route(line | {"path": "/registers/{register}/records"})])
    for ending in ("", ".json", ".csv"):
        match = table.match("GET", f"/registers/island/records{ending}".encode())
        assert match.parameters == {"register": "island"}
    with pytest.raises(NotFound):
        table.match("GET", b"/registers/island/records.xml")
    with pytest.raises(ValueError, match="any suffix already"):
        read_route(line | {"path": "/registers/{register}"})
