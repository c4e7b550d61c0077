"""The route table: compiled once into a tree, matched segment by segment, the same cost for any
number of routes; addresses that two programs could read differently are refused."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import formatdate
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

import yaml

from servicekit.problems import Malformed, MethodNotAllowed, NotFound

Auth = Literal["none", "optional", "token", "upstream"]
PLAIN = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")  # RFC 3986 pchar without escapes
ESCAPED = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
QUERY = re.compile(rb"[\x21-\x7e]*")
MAX_TARGET_BYTES = 8192
_HIDDEN = re.compile(rb"%(?:5[Cc]|[01][0-9A-Fa-f]|7[Ff])")  # backslashes, control characters
_SLASH = re.compile(rb"%2[Ff]")
_TWICE = re.compile(rb"%[0-9A-Fa-f]{2}")
AMBIGUOUS = (
    "The address holds characters that are not allowed there. "
    "Escape each once (RFC 3986), and leave out slashes inside a part."
)
_PLACE = re.compile(r"\{([a-z_]+)(:path)?\}")
_BASIS = re.compile(r"consent|own|statute:[a-z0-9-]+")
PAYERS = ("client", "person", "address", "visitor", "nobody")


class AddressTooLong(Malformed):
    """The address is longer than the door reads (RFC 9110 section 15.5.15)."""

    slug, title, status = "address-too-long", "The address is too long", 414


@dataclass(frozen=True)
class Route:
    """One line of the table: an address pattern and every rule that holds there."""

    path: str
    methods: tuple[str, ...]
    service: str
    auth: Auth = "none"
    scopes: tuple[str, ...] = ()
    personal: Literal["read", "write"] | None = None
    categories: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    quiet: bool = False
    errors: Literal["problem", "notify-v2"] = "problem"
    max_body_bytes: int | None = None
    suffixes: tuple[str, ...] = ()
    escaped_slashes: bool = False
    cors: Literal["read"] | None = None
    stream: bool = False
    maintenance: str | None = None
    deprecation: date | None = None
    sunset: date | None = None
    pays: str = ""
    says: Mapping[str, str] = field(default_factory=dict)

    @property
    def audience(self) -> str:
        """The audience that a token needs here."""
        return f"urn:atoll:{self.service}"

    @cached_property
    def payer(self) -> str:
        """Who pays the rate limit where the line does not say it."""
        if self.pays or self.auth == "upstream":
            return self.pays or "nobody"
        if self.cookies:
            return "visitor"
        return "client" if self.auth in ("token", "optional") else "address"

    @cached_property
    def cookie_names(self) -> frozenset[bytes]:
        """The names under which its cookies travel (https adds a prefix, wire section 7)."""
        return frozenset(
            (prefix + name).encode() for name in self.cookies for prefix in ("", "__Host-")
        )

    @cached_property
    def notices(self) -> list[tuple[bytes, bytes]]:
        """What every answer says of the route's end: Deprecation (RFC 9745), Sunset (RFC 8594)."""
        notices = []
        if self.deprecation is not None:
            notices.append((b"deprecation", b"@%d" % _midnight(self.deprecation)))
        if self.sunset is not None:
            when = formatdate(_midnight(self.sunset), usegmt=True)
            notices.append((b"sunset", when.encode()))
        return notices

    @property
    def allow(self) -> frozenset[str]:
        """The methods taken: HEAD wherever GET is."""
        return frozenset(self.methods) | ({"HEAD"} if "GET" in self.methods else set())


@dataclass(frozen=True, slots=True)
class Match:
    """The route found and the values of its places, decoded.

    has_slash: a part of the address holds an escaped slash, which the service must not open.
    """

    route: Route
    parameters: dict[str, str]
    has_slash: bool = False


class _Node:
    __slots__ = ("ends", "literals", "place", "rests")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.place: _Node | None = None
        self.ends: list[tuple[int, Route, frozenset[str], tuple[str, ...]]] = []
        self.rests: list[tuple[int, Route, frozenset[str], tuple[str, ...]]] = []


class RouteTable:
    """Finds the first route of the table that takes a method at an address."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for order, route in enumerate(self.routes):
            self._add(order, route, route.path)
            for suffix in route.suffixes:
                self._add(order, route, f"{route.path}.{suffix}")

    def adopt(self, other: "RouteTable") -> None:
        """Become another table at once; whoever holds this one finds by the new rules."""
        self.routes, self._root = other.routes, other._root

    def _add(self, order: int, route: Route, path: str) -> None:
        node = self._root
        names: list[str] = []
        for segment in path[1:].split("/"):
            place = _PLACE.fullmatch(segment)
            if place is None:
                node = node.literals.setdefault(segment, _Node())
                continue
            names.append(place[1])
            if place[2]:
                node.rests.append((order, route, route.allow, tuple(names)))
                return
            node.place = node.place or _Node()
            node = node.place
        node.ends.append((order, route, route.allow, tuple(names)))

    def match(self, method: str, path: bytes) -> Match:
        """Return the first route that fits; ``path`` as sent, without the query.

        Raises Malformed, AddressTooLong, NotFound or MethodNotAllowed (with the Allow header).
        """
        segments = segments_of(path)
        found: list[tuple[int, Route, frozenset[str], tuple[str, ...], list[str]]] = []
        _collect(self._root, segments, 0, [], found)
        has_slash = _SLASH.search(path) is not None
        if has_slash:
            found = [candidate for candidate in found if candidate[1].escaped_slashes]
            if not found:
                raise Malformed(AMBIGUOUS)
        best = None
        for candidate in found:
            if method in candidate[2] and (best is None or candidate[0] < best[0]):
                best = candidate
        if best is not None:
            return Match(best[1], dict(zip(best[3], best[4], strict=True)), has_slash)
        if found:
            allow = ", ".join(sorted(frozenset().union(*(candidate[2] for candidate in found))))
            raise MethodNotAllowed(
                f"This address does not take {method}; it takes {allow}.", headers={"Allow": allow}
            )
        raise NotFound(
            "No service answers at this address. The list of addresses is at /portal/apis."
        )


def _collect(
    node: _Node, segments: list[str], at: int, values: list[str], found: list[Any]
) -> None:
    if at == len(segments):
        found.extend(
            (order, route, allow, names, values) for order, route, allow, names in node.ends
        )
        return
    for order, route, allow, names in node.rests:
        found.append((order, route, allow, names, [*values, "/".join(segments[at:])]))
    segment = segments[at]
    if (literal := node.literals.get(segment)) is not None:
        _collect(literal, segments, at + 1, values, found)
    if node.place is not None and segment:
        _collect(node.place, segments, at + 1, [*values, segment], found)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def segments_of(path: bytes) -> list[str]:
    """Split a path into its decoded segments; refuse what could be read in two ways.

    Refused: anything but RFC 3986 characters, backslashes and control characters, escapes of
    escapes, dot segments, empty segments, bytes that are not UTF-8. An escaped slash stays inside
    its segment; only routes that declare ``escaped_slashes`` take one.
    """
    if len(path) > MAX_TARGET_BYTES:
        raise AddressTooLong(f"The address is longer than {MAX_TARGET_BYTES} bytes. Shorten it.")
    if PLAIN.fullmatch(path):
        segments = parts = path.decode().split("/")[1:]
    elif ESCAPED.fullmatch(path) and not _HIDDEN.search(path):
        decoded = [unquote_to_bytes(part) for part in path.split(b"/")[1:]]
        if any(_TWICE.search(part) for part in decoded):
            raise Malformed(AMBIGUOUS)
        try:
            segments = [part.decode() for part in decoded]
        except UnicodeDecodeError:
            raise Malformed("The address is not UTF-8.") from None
        parts = [part for segment in segments for part in segment.split("/")]
    else:
        raise Malformed(AMBIGUOUS)
    if "." in parts or ".." in parts or "" in segments[:-1]:
        raise Malformed("The address has an empty part or a dot part. Write it out in full.")
    return segments


def check_query(query: bytes) -> None:
    """Refuse a query that could not be written into a request line as it is."""
    if len(query) > MAX_TARGET_BYTES:
        raise AddressTooLong(f"The query is longer than {MAX_TARGET_BYTES} bytes. Send less.")
    if not QUERY.fullmatch(query):
        raise Malformed("The query holds characters that must be escaped (RFC 3986).")


def load_routes(path: Path) -> RouteTable:
    """Read the table from its YAML file; raise ValueError for a line that makes no sense."""
    try:
        lines = yaml.safe_load(path.read_text(encoding="utf-8"))["routes"]
        return RouteTable([read_route(line) for line in lines])
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, UnicodeDecodeError) as fault:
        raise ValueError(f"{path.name} cannot be read: {fault}") from fault


def read_route(line: Mapping[str, Any]) -> Route:
    """Turn one entry of the file into a Route, checking that its rules fit together."""
    lists = ("methods", "scopes", "categories", "bases", "cookies", "suffixes")
    fields: dict[str, Any] = {
        key: tuple(value) if key in lists else value for key, value in line.items()
    }
    route = Route(**fields)
    if bool(route.personal) != bool(route.categories) or bool(route.personal) != bool(route.bases):
        raise ValueError(f"{route.path}: personal, categories and bases come together")
    if route.personal and route.auth != "token":
        raise ValueError(f"{route.path}: a personal route needs auth: token")
    if (route.auth == "token") != bool(route.scopes):
        raise ValueError(f"{route.path}: auth: token and scopes come together")
    if route.suffixes and route.path.endswith("}"):
        raise ValueError(f"{route.path}: a place takes any suffix already")
    if not route.path.startswith("/") or not route.methods or not isinstance(route.service, str):
        raise ValueError(f"{route.path}: a route has a path, methods and a service")
    reads, may_send_token = set(route.methods) <= {"GET"}, route.auth in ("token", "optional")
    if route.cors and (route.cors != "read" or not reads or route.cookies or route.personal):
        raise ValueError(f"{route.path}: cors: read is for public reads without cookies")
    if not all(isinstance(day, date | None) for day in (route.deprecation, route.sunset)):
        raise ValueError(f"{route.path}: deprecation and sunset are dates, like 2027-01-31")
    if route.escaped_slashes and (":path}" in route.path or "{" not in route.path):
        raise ValueError(f"{route.path}: escaped_slashes needs a place that is one part")
    if not all(_BASIS.fullmatch(basis) for basis in route.bases):
        raise ValueError(f"{route.path}: bases are consent, own and statute:<id>")
    if route.payer not in PAYERS or (route.payer in PAYERS[:2] and not may_send_token):
        raise ValueError(f"{route.path}: pays is {', '.join(PAYERS)}; the first two need a token")
    if not route.quiet and not {"en", "dv"} <= set(route.says):
        raise ValueError(f"{route.path}: says needs en and dv, because the route is shown")
    return route
