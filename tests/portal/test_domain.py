"""The pure parts: drawings, times, contracts, where a sign-in leads."""

import json
import os
import shutil
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.domain import contract, picture, pkce, places, samples, sequence, svg, times
from services.portal.domain.exchange import duration

anything = st.text(st.characters(), max_size=200)
SVG = "{http://www.w3.org/2000/svg}"


ISOLATES = {0x2068: None, 0x2069: None}


@given(anything, st.floats(40, 900), st.integers(8, 30))
def test_lines_keep_every_word_and_fit(text: str, room: float, size: int) -> None:
    found = svg.lines(text, room, size)
    found = [line.strip("\u2068\u2069") for line in found]
    words = "".join(text.split())
    assert "".join(found).replace(" ", "").translate(ISOLATES) == words.translate(ISOLATES)
    for line in found:
        assert svg.width(line, size) <= room or len(line) <= max(1, int(room / (size * 0.53)))


def test_an_isolated_sentence_stays_isolated_on_each_of_its_lines() -> None:
    text = "ގޭޓްވޭ \u2068It was withdrawn. Nothing was read.\u2069 ނިމުނީ"
    found = svg.lines(text, 100, 10)
    assert len(found) > 2
    for line in found:
        assert line.count("\u2068") == line.count("\u2069")
        assert ("\u2068" in line) is any("a" <= c <= "z" for c in line)


boxes = st.builds(
    picture.Box, anything, anything, st.sampled_from(["ready", "down"]), anything, st.booleans()
)


@given(boxes, st.lists(boxes, max_size=4), st.lists(boxes, max_size=4), anything, st.booleans())
def test_a_picture_is_well_formed_and_stays_inside(
    gateway: picture.Box,
    near: list[picture.Box],
    far: list[picture.Box],
    title: str,
    rtl: bool,
) -> None:
    drawn = ET.fromstring(picture.draw(gateway, near, far, title, rtl=rtl))
    groups = drawn.findall(f"{SVG}g")
    assert len(groups) == len(near) + len(far) + 1
    for rect in drawn.iter(f"{SVG}rect"):
        assert 0 <= float(rect.get("x", "-1")) <= 640 - float(rect.get("width", "0"))


def test_a_picture_is_mirrored_for_right_to_left() -> None:
    box = picture.Box("Portal", "pages", "ready", "ready")
    gate = picture.Box("Gateway", "door", "ready", "ready")
    left = ET.fromstring(picture.draw(gate, [box], [], "t", rtl=False)).find(f"{SVG}g/{SVG}rect")
    right = ET.fromstring(picture.draw(gate, [box], [], "t", rtl=True)).find(f"{SVG}g/{SVG}rect")
    assert left is not None
    assert right is not None
    width = float(left.get("width", "0"))
    assert float(left.get("x", "0")) == pytest.approx(640 - float(right.get("x", "0")) - width)


keys = st.sampled_from(["a", "b", "gateway", "x", "y", "unknown"])
calls = st.builds(
    sequence.Call,
    number=st.integers(1, 99),
    caller=keys,
    service=keys,
    caption=anything,
    took=anything,
    outcome=st.sampled_from(["answered", "refused", "failed"]),
    outcome_says=anything,
    stopped=st.booleans(),
    note=st.none() | anything,
    present=st.booleans(),
)
LANES = [
    sequence.Lane("a", "Fisheries Department", "caller"),
    sequence.Lane("b", "Portal", "caller"),
    sequence.Lane("gateway", "Gateway", "gateway"),
    sequence.Lane("x", "Identity", "service"),
    sequence.Lane("y", "Registers", "service"),
]


@given(st.lists(calls, max_size=8), anything, st.booleans())
def test_a_sequence_is_well_formed_and_in_order(
    drawn: list[sequence.Call], title: str, rtl: bool
) -> None:
    root = ET.fromstring(sequence.draw(LANES, drawn, title, people="Data", rtl=rtl))
    shown = [g for g in root.findall(f"{SVG}g") if (g.get("class") or "").startswith("call")]
    known = [c for c in drawn if "unknown" not in (c.caller, c.service)]
    assert len(shown) == len(known)
    height = float((root.get("viewBox") or "").split()[3])
    tops = [
        float(c.get("cy", "0")) for g in shown for c in g.findall(f"{SVG}circle[@class='badge']")
    ]
    assert tops == sorted(tops)
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, "0")) <= sequence.WIDTH
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(name, "0")) <= height


def draw_one(call: sequence.Call, rtl: bool = False) -> ET.Element:
    return ET.fromstring(sequence.draw(LANES, [call], "t", people="Data", rtl=rtl))


def test_a_refused_call_ends_at_the_gateway() -> None:
    call = sequence.Call(1, "a", "y", "No.", "1 ms", "refused", "refused", stopped=True)
    root = draw_one(call)
    door = root.find(f".//{SVG}circle[@class='door']")
    arrow = root.find(f".//{SVG}line[@class='arrow']")
    assert door is not None
    assert arrow is not None
    assert arrow.get("x2") == door.get("cx")
    assert root.find(f".//{SVG}path[@class='cross']") is not None


def test_the_present_call_stands_out_alone() -> None:
    first = sequence.Call(1, "a", "y", "Asked.", "1 ms", "answered", "answered")
    second = sequence.Call(2, "a", "y", "Asked.", "1 ms", "answered", "answered", present=True)
    drawn = sequence.draw(LANES, [first, second], "t", people="Data", rtl=False)
    assert drawn.count('class="ground now"') == 1
    shown = [g.get("class") for g in ET.fromstring(drawn).findall(f"{SVG}g")][-2:]
    assert shown == ["call answered", "call answered even present"]


@pytest.mark.parametrize("rtl", [False, True])
def test_arrows_point_in_reading_direction(rtl: bool) -> None:
    arrow = draw_one(
        sequence.Call(1, "a", "y", "Asked.", "1 ms", "answered", "answered"), rtl
    ).find(f".//{SVG}line[@class='arrow']")
    assert arrow is not None
    assert (float(arrow.get("x2", "0")) > float(arrow.get("x1", "0"))) is not rtl


def test_only_personal_data_has_a_lane_of_people() -> None:
    plain = sequence.Call(1, "a", "x", "Asked.", "1 ms", "answered", "answered")
    seen = sequence.Call(1, "a", "x", "Read.", "1 ms", "answered", "answered", note="contact\nok")
    assert draw_one(plain).find(f".//{SVG}circle[@class='eye']") is None
    assert draw_one(seen).find(f".//{SVG}circle[@class='eye']") is not None


@pytest.mark.parametrize(
    ("microseconds", "written"),
    [(0, "0.0 ms"), (420, "0.4 ms"), (4200, "4.2 ms"), (12_300, "12 ms"), (1_340_000, "1.3 s")],
)
def test_durations_have_units(microseconds: int, written: str) -> None:
    assert duration(microseconds).strip("\u2066\u2069") == written


MOMENT = datetime(2026, 3, 2, 20, 15, 4, tzinfo=UTC)


def test_times_are_told_in_the_maldives() -> None:
    assert times.day_and_time(MOMENT, "en") == "3 March 2026, 01:15"
    assert times.day_and_time(MOMENT, "dv") == "3 މާރިޗު 2026، 01:15"
    assert times.clock_time(MOMENT) == "01:15:04"
    assert times.machine(MOMENT) == "2026-03-02T20:15:04Z"
    assert all(len(months.split()) == 12 for months in times.MONTHS.values())


@pytest.mark.parametrize(
    ("seconds", "en", "dv"),
    [
        (-5, "just now", "މިހާރު"),
        (59, "just now", "މިހާރު"),
        (60, "1 minute ago", "1 މިނެޓު ކުރިން"),
        (7200, "2 hours ago", "2 ގަޑިއިރު ކުރިން"),
        (86400, "1 day ago", "1 ދުވަސް ކުރިން"),
    ],
)
def test_how_long_ago_is_told_in_the_largest_unit(seconds: int, en: str, dv: str) -> None:
    now = MOMENT + timedelta(seconds=seconds)
    assert (times.ago(MOMENT, now, "en"), times.ago(MOMENT, now, "dv")) == (en, dv)


@given(anything)
def test_what_is_no_time_is_none(text: str) -> None:
    found = times.parse(text)
    assert found is None or found.tzinfo is not None


@given(anything)
def test_a_way_back_stays_on_the_portal(path: str) -> None:
    for tried in (path, "/" + path, "/portal/" + path, "//" + path):
        back = pkce.safe_return(tried)
        assert back == "/" or back.startswith(("/portal/", "/?", "/#"))
        assert not back.startswith("//")
        assert not set(back) & set("\\\r\n\t \x00")


def test_the_challenge_is_that_of_the_rfc() -> None:
    # RFC 7636 appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert pkce.challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["get", "post", "parameters", "security", "responses", "$ref", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4), json_values)
def test_a_contract_of_any_shape_is_read(paths: dict[str, Any], security: Any) -> None:
    document = {"paths": paths, "security": security}
    for operation in contract.operations(document):
        values = operation.examples() | {f"path.{p.name}": "x" for p in operation.parameters}
        shown = samples.samples(operation.filled(values), "http://localhost:8000", "T")
        assert set(shown) == set(samples.LANGUAGES)


def test_an_operation_is_read_with_its_token_headers_and_body() -> None:
    document = {
        "components": {"parameters": {"key": {"name": "Idempotency-Key", "in": "header"}}},
        "paths": {
            "/registers/{register}/entries": {
                "parameters": [
                    {"name": "register", "in": "path", "schema": {"example": "fishing-vessel"}}
                ],
                "post": {
                    "summary": "Append",
                    "security": [{"token": ["registers.append"]}],
                    "parameters": [
                        {"$ref": "#/components/parameters/key"},
                        {"name": "X", "in": "header", "required": True, "example": "a b"},
                    ],
                    "requestBody": {"content": {"application/json": {}}},
                    "responses": {"201": {"description": "Done"}},
                },
            }
        },
    }
    (operation,) = contract.operations(document)
    assert operation.scopes == ("registers.append",)
    assert operation.parameters[1].name == "Idempotency-Key"
    assert operation.answers == (("201", "Done"),)
    values = operation.examples()
    assert values == {"path.register": "fishing-vessel", "header.X": "a b", "body": "null"}
    call = operation.filled(values | {"header.Idempotency-Key": "k1", "body": "{}"})
    assert call.target == "/registers/fishing-vessel/entries"
    assert call.headers == {
        "X": "a b",
        "Idempotency-Key": "k1",
        "Content-Type": "application/json",
    }


def test_no_value_leads_to_another_operation_or_header() -> None:
    path = {"name": "key", "in": "path"}
    headers = [{"name": name, "in": "header"} for name in ("Authorization", "Cookie", "X")]
    [operation] = contract.operations(
        {"paths": {"/registers/{key}": {"get": {"parameters": [path, *headers]}}}}
    )
    call = operation.filled(
        {
            "path.key": "../identity?a=b#c\\/",
            "header.Authorization": "Bearer mine",
            "header.Cookie": "a=b",
            "header.X": "a\r\nY: b",
            "query.hidden": "1",
            "body": "not taken",
        }
    )
    assert call.target == "/registers/..%2Fidentity%3Fa%3Db%23c%5C%2F"
    assert (call.headers, call.body) == ({}, "")
    for nothing in ("", " ", ".", ".."):
        with pytest.raises(KeyError, match="key"):
            operation.filled({"path.key": nothing})


def test_an_example_body_is_made_from_the_schema() -> None:
    schema = {
        "type": "object",
        "required": ["name", "kind", "rows", "deep"],
        "properties": {
            "name": {"type": "string", "examples": ["Kanmathi"]},
            "kind": {"enum": ["boat", "ship"]},
            "rows": {"type": "array", "items": {"type": ["integer", "null"]}},
            "deep": {"$ref": "#/components/schemas/Deep"},
            "unasked": {"type": "string"},
        },
    }
    deep = {"type": "object", "properties": {"self": {"$ref": "#/components/schemas/Deep"}}}
    document = {
        "components": {"schemas": {"Deep": deep}},
        "paths": {
            "/a": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}
        },
    }
    [operation] = contract.operations(document)
    made = json.loads(operation.body)
    assert made["name"], made["kind"] == ("Kanmathi", "boat")
    assert made["rows"] == [0]
    assert "unasked" not in made


@pytest.mark.process
@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_a_sample_runs_when_pasted(language: str) -> None:
    seen: list[tuple[str, str, str, str | None, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            seen.append(
                (self.command, self.path, body, self.headers["X"], self.headers["Authorization"])
            )
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    if language == "javascript" and shutil.which("node") is None:
        pytest.skip("needs node: install Node 18 or newer")
    body = '{"name": "it\'s ޅ $HOME `x` \\\\"}\nEOF\n'
    call = contract.Call("POST", "/a%2Fb?c=d%27&e=f", {"X": "a 'b'"}, body)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown = samples.samples(call, f"http://127.0.0.1:{server.server_port}", "T")[language]
        folder = Path(sys.executable).parent
        done = subprocess.run(
            ["bash", "-c", shown],
            env={"PATH": f"{folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert "ok" in done.stdout
    assert seen == [("POST", "/a%2Fb?c=d%27&e=f", body, "a 'b'", "Bearer T")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4.372974,73.648045", "4.372974° N, 73.648045° E"),
        ("-0.6, 73.1", "0.6° S, 73.1° E"),
        ("-33,-70", "33° S, 70° W"),
        ("somewhere", "somewhere"),
        ("1,2,3", "1,2,3"),
        ("", ""),
    ],
)
def test_a_point_reads_as_a_place(text: str, shown: str) -> None:
    assert places.point(text).replace("\u00a0", " ") == shown
