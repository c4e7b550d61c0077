"""The one page that the door shows by itself: a refusal, for a person in a browser."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from servicekit.problems import Problem

_STYLE = (
    ":root{color-scheme:light dark;--ink:#10242b;--paper:#fbfaf7;--teal:#0b5563}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e9f1f2;--paper:#0f1b1f;--teal:#7cc9d6}}"
    "body{font:1.125rem/1.6 system-ui,sans-serif;max-inline-size:38rem;margin:4rem auto;"
    "padding-inline:1rem;color:var(--ink);background:var(--paper)}"
    "h1{line-height:1.2}a{color:var(--teal)}footer{font-size:.875rem}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Atoll</title><style>{style}</style></head>
<body><main><h1>{title}</h1>
<p>{detail}</p>
<p><a href="/">Back to the start page</a> · <a href="/?lang=dv" lang="dv" dir="rtl">ފެށޭ ޞަފްޙާއަށް</a></p>
</main><footer><p>Status {status} · <a href="{explained}">What this means</a> · call {exchange}</p>
</footer></body></html>
"""


def is_wanted(method: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the caller is a person's browser that opens an address: it asks for HTML by name."""
    return method == "GET" and any(
        name == b"accept" and value.lower().startswith(b"text/html") for name, value in headers
    )


def render(problem: Problem, public_url: str, exchange: str) -> bytes:
    """Return the page that says what happened and leads back."""
    return _PAGE.format(
        title=escape(problem.title),
        style=_STYLE,
        detail=escape(problem.detail),
        status=problem.status,
        explained=escape(f"{public_url}/portal/problems/{problem.slug}"),
        exchange=escape(exchange),
    ).encode()
