"""The browser and the network that a request came from, in words that people recognise."""

import ipaddress
import re
from dataclasses import dataclass

# the first that is found names it; browsers call themselves after each other
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"), ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chromium", "Chromium"),
    ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"), ("python-requests", "Python"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("CrOS", "ChromeOS"),
    ("Windows", "Windows"), ("Mac OS X", "Mac"), ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True)
class Visitor:
    """Where a request came from; ``key`` is what attempts from there are counted under."""

    device: str  # "Chrome, Android"; "" when the browser does not say
    network: str  # "203.0.113.*"; "" when it is not known, "local" for this machine
    key: str


def visitor(user_agent: str, address: str) -> Visitor:
    """Describe who asks. Nothing of it is trusted: it only helps people to recognise themselves."""
    names = [
        next((name for mark, name in known if mark in user_agent), "")
        for known in (_BROWSERS, _SYSTEMS)
    ]
    device = ", ".join(name for name in names if name)
    return Visitor(device, *_network(address))


def _network(address: str) -> tuple[str, str]:
    text = re.sub(r"%.*$", "", address.strip())
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return "", "unknown"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_loopback:
        return "local", "local"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found).rpartition(".")[0] + ".*", str(found)
    # one customer gets a /64 or more, so an address is no limit
    prefix = str(ipaddress.ip_network((found, 64), strict=False).network_address)
    return prefix + "*", prefix
