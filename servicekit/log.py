"""Logs: one JSON object a line on standard output, with the trace, never with personal data."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from servicekit import trace

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Write a record with its extra fields as one JSON line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; fields given as ``extra=`` become members."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self.service,
            "message": record.getMessage(),
        }
        if current := trace.current.get():
            line["trace"] = current.trace_id
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half a character (a lone surrogate), or a number beyond 64 bits
            return json.dumps(line, default=str)


def server_configuration(service: str) -> dict[str, Any]:
    """Return the logging configuration that makes Granian write its errors as JSON too."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter, "service": service}},
        "handlers": {
            "out": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stdout",
            }
        },
        "loggers": {"_granian": {"handlers": ["out"], "propagate": False}},
    }


def configure(service: str) -> None:
    """Send every log record of this process to standard output as JSON."""
    # nothing here writes where a record comes from; finding it would cost a third of each line
    logging._srcfile = None  # the switch that its documentation names
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
