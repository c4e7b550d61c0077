"""Small parts: trace context, JSON log lines, timestamps."""

import json
import logging
from datetime import datetime, timedelta, timezone

import pytest

from servicekit import trace
from servicekit.clock import SystemClock, timestamp
from servicekit.log import JsonFormatter


def test_a_trace_goes_on_with_a_new_hop() -> None:
    started = trace.start()
    parsed = trace.parse(started.header())
    assert parsed == started
    assert started.child().trace_id == started.trace_id
    assert started.child().span_id != started.span_id


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "01-" + "1" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "A" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "1" * 16 + "-01\r\nX: y",
    ],
)
def test_a_malformed_traceparent_is_ignored(header: str | None) -> None:
    assert trace.parse(header) is None


def test_a_log_line_is_one_json_object() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "INFO", "msg": "kept %s", "args": ("two\nlines",), "route": "/a"}
    )
    line = JsonFormatter("demo").format(record)
    assert "\n" not in line
    body = json.loads(line)
    assert body["message"] == "kept two\nlines"
    assert (body["service"], body["level"], body["route"]) == ("demo", "info", "/a")


def test_time_is_aware_and_written_in_utc() -> None:
    assert SystemClock().now().tzinfo is not None
    noon_in_male = datetime(2026, 3, 3, 12, 0, tzinfo=timezone(timedelta(hours=5)))
    assert timestamp(noon_in_male) == "2026-03-03T07:00:00Z"
