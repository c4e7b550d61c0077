"""Redirect addresses: compared character by character (RFC 9700 section 2.1)."""

from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit, urlunsplit


def is_registered(address: str, registered: Iterable[str]) -> bool:
    """Whether the address is exactly one of those the client registered."""
    return any(address == known for known in registered)


def origin(address: str) -> str:
    """Return scheme, host and port of an address, as a content security policy writes them."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def with_parameters(address: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the address with more query parameters at its end."""
    parts = urlsplit(address)
    query = "&".join(part for part in (parts.query, urlencode(list(parameters))) if part)
    return urlunsplit(parts._replace(query=query))
