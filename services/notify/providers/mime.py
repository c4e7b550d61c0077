"""Writes an email as it goes over the wire (RFC 5322, RFC 2045 to 2047): text, and HTML beside it.

The standard library's EmailMessage does the same in ten times the time, most of it by parsing
headers that were just written.
"""

import base64
from email.header import Header
from email.utils import format_datetime
from re import compile as pattern
from urllib.parse import quote

from services.notify.providers.message import Message
from services.notify.rendering import email as rendered

_LINE_BYTES = 76
_PLAIN = pattern(r"[\x20-\x7e]*")
_QUOTED = pattern(r'([\\"])')
_LONG_LINE = pattern(r"[^\n]{900,}")  # RFC 5322 section 2.1.1: a line has at most 998


def compose(message: Message, domain: str) -> bytes:
    """Return a whole email."""
    sender = message.service_name["en"]
    headers = [
        ("From", f"{_phrase(sender)} <{wire_address(message.sender)}>"),
        ("To", wire_address(message.address)),
        ("Subject", _words("Subject", message.subject or "")),
        ("Date", format_datetime(message.accepted_at)),
        ("Message-ID", f"<{message.id}@{domain}>"),  # a resend after a crash is told by its id
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: nobody's holiday answers it
    ]
    if message.unsubscribe:
        headers.append(("List-Unsubscribe", f"<{_ascii_link(message.unsubscribe)}>"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    if message.reply_to:
        headers.append(("Reply-To", wire_address(message.reply_to)))
    boundary = f"=_{message.id}"
    headers.append(("MIME-Version", "1.0"))
    headers.append(("Content-Type", f'multipart/alternative; boundary="{boundary}"'))
    html = rendered.document(message.body, message.subject, sender)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("ascii")
    mark = f"\r\n--{boundary}".encode("ascii")
    return b"".join(
        (
            head,
            mark,
            _part("plain", rendered.plain(message.body)),
            mark,
            _part("html", html),
            mark,
            b"--\r\n",
        )
    )


def wire_address(address: str) -> str:
    """Return an address in ASCII: a domain in another script as mail servers write it (IDNA)."""
    local, _, host = address.rpartition("@")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    return _one_line(f"{local}@{host}")


def _part(kind: str, text: str) -> bytes:
    if text.isascii() and not _LONG_LINE.search(text):
        encoding, content = b"7bit", text.replace("\n", "\r\n").encode("ascii")
    else:
        encoding = b"base64"
        content = base64.encodebytes(text.encode()).replace(b"\n", b"\r\n")
    return (
        f'\r\nContent-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: '.encode()
        + encoding
        + b"\r\n\r\n"
        + content
    )


def _phrase(name: str) -> str:
    """Write a name before an address."""
    if _PLAIN.fullmatch(name) and "=?" not in name and len(name) < _LINE_BYTES - 10:
        return '"' + _QUOTED.sub(r"\\\1", name) + '"'
    return _encoded("From", name)


def _words(header: str, text: str) -> str:
    if _PLAIN.fullmatch(text) and "=?" not in text and len(text) < _LINE_BYTES - len(header) - 2:
        return text
    return _encoded(header, text)


def _encoded(header: str, text: str) -> str:
    written = Header(_one_line(text), "utf-8", header_name=header, maxlinelen=_LINE_BYTES)
    return written.encode(linesep="\r\n")


def _ascii_link(link: str) -> str:
    return quote(_one_line(link), safe="%/:=&?~#+!$,;'@()*[]")


def _one_line(text: str) -> str:
    """Nothing that a sender wrote begins a header of its own."""
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
