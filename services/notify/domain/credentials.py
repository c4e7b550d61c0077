"""API keys: what they may do, from where, and how they are written."""

import ipaddress
import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

SCOPES = {
    "send": "send messages and cancel scheduled ones",
    "read": "read messages, templates and received texts",
    "templates": "write templates and send tests of them",
    "callbacks": "say where to be told, replay what was not taken",
    "manage": "suppression list, retention and API keys",
}
LONGEST_OVERLAP = timedelta(days=7)
_KEY = re.compile(r".*-(?P<service>[0-9a-f-]{36})-(?P<secret>[0-9a-f-]{36})", re.DOTALL)


def may(scopes: Collection[str] | None, wanted: str) -> bool:
    """Whether a key with these scopes may do something; no scopes at all means everything."""
    return scopes is None or wanted in scopes


def is_from(networks: Sequence[str] | None, address: str) -> bool:
    """Whether an address is in one of some networks; no networks at all means anywhere."""
    if networks is None:
        return True
    try:
        caller = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
        caller = caller.ipv4_mapped
    return any(caller in ipaddress.ip_network(network) for network in networks)


def network(text: str) -> str:
    """Return a network in its usual form; raises ValueError."""
    return str(ipaddress.ip_network(text.strip(), strict=False))


def parts(key: str) -> tuple[str, str]:
    """Return the service's id and the secret of a whole API key; raises ValueError."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("this is no API key")
    return str(UUID(match["service"])), match["secret"]
