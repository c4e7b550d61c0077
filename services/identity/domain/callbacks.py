"""Addresses that a browser may be sent back to, as they may be registered (RFC 9700 section 2.1).

One spelling for each place: no wildcard, no fragment, no user name, no dot segments, lower case.
"""

import re
from urllib.parse import urlsplit

LONGEST = 1000
_TEXT = re.compile(r"https?://[!#$%&'()+,\-./:;=?@\[\]_~A-Za-z0-9]+")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def fault(address: object, *, live: bool = False, native: bool = False) -> str | None:
    """Return why an address cannot be registered as a sentence, or None.

    live: real people come back there, so a web program's address must be https. native: the
    program runs on people's own machines and listens on loopback (RFC 8252 section 7.3).
    """
    if not isinstance(address, str) or len(address) > LONGEST or not _TEXT.fullmatch(address):
        return "An address begins with https:// and is written in plain letters, without spaces."
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "An address cannot be read; check its host and port."
    if "#" in address:
        return "An address must not have a fragment (#)."
    if "@" in parts.netloc:
        return "An address must not have a user name (@)."
    if parts.netloc != parts.netloc.lower() or parts.netloc.endswith(":") or port == 0:
        return "Write the host of an address in lower case, with a port or without the colon."
    if host != "::1" and not _HOST.fullmatch(host):
        return "An address has no host that can be reached by name or number."
    path = parts.path.lower().replace("%2e", ".")
    if "//" in path or {".", ".."} & set(path.split("/")) or "%2f" in path or "%5c" in path:
        return "Write the path of an address plainly: no empty, dotted or escaped parts."
    if parts.scheme == "https":
        return None
    if host not in _LOOPBACK:
        return "Plain http is for this machine alone (localhost, 127.0.0.1, [::1]); use https."
    if live and not native:
        return "The address of a live web program must be https."
    return None
