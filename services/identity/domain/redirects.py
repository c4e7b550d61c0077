"""Redirect addresses: compared character by character (RFC 9700 section 2.1)."""

import re
from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit, urlunsplit

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(/[^#\s]*)?")


def is_registered(address: str, registered: Iterable[str], *, native: bool = False) -> bool:
    """Whether the address is exactly one of those the client registered.

    native: a program on somebody's own machine listens on whatever port is free there, so a
    loopback address, written as a number, may differ in its port (RFC 8252 section 7.3).
    """
    known = set(registered)
    if address in known:
        return True
    if not native or (portless := _without_port(address)) is None:
        return False
    return portless in {_without_port(each) for each in known}


def _without_port(address: str) -> tuple[str, str] | None:
    found = _LOOPBACK.fullmatch(address)
    return (found[1], found[2] or "") if found else None


def origin(address: str) -> str:
    """Return scheme, host and port of an address, as a content security policy writes them."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def with_parameters(address: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the address with more query parameters at its end."""
    parts = urlsplit(address)
    query = "&".join(part for part in (parts.query, urlencode(list(parameters))) if part)
    return urlunsplit(parts._replace(query=query))
