"""Calls to addresses that others chose: callbacks, followers, foreign key sets.

The one way out of the platform (wire section 8). requests-hardened resolves the name once, refuses
private ranges and pins the address; added here are a stricter IPv6 rule, the declared test hosts,
the ports, and bounds on time and size that a slow or endless answer cannot escape.
"""

import contextlib
import ipaddress
import json
import re
import socket
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import requests
import urllib3
from requests_hardened import Config, Manager  # type: ignore[import-untyped]
from requests_hardened.ip_filter import (  # type: ignore[import-untyped]
    InvalidIPAddress,
    get_ip_address,
)
from requests_hardened.ip_filter_adapter import IPFilterAdapter  # type: ignore[import-untyped]

PORTS = frozenset({443, 8443})
LONGEST_ADDRESS = 2000
_TEXT = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # printable ASCII without the backslash
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # everything else is local or a detour to IPv4
_CONFIG = Config(
    ip_filter_enable=True,
    ip_filter_allow_loopback_ips=False,
    never_redirect=True,
    default_timeout=(3, 3),
    user_agent_override="atoll",
)


class AddressRefused(Exception):
    """The address may not be called; trying again will not help. The message is for people."""


class NotReached(Exception):
    """No whole answer came within the bounds; trying again later may help."""


@dataclass(frozen=True)
class Answer:
    """What the other side said; redirects are answers like any other and are not followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body as JSON; raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("the JSON is nested too deeply") from None


def check_address(address: str, test_hosts: Collection[str] = ()) -> None:
    """Raise AddressRefused unless the address looks callable; use it where one is registered.

    test_hosts: loopback ``host`` or ``host:port`` that may be called over http, for trials.
    """
    _parts(address, test_hosts)


def fetch(
    address: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    test_hosts: Collection[str] = (),
    limit_bytes: int = 256 * 1024,
    seconds: float = 5.0,
) -> Answer:
    """Send one GET or POST and return the answer, whatever its status.

    seconds: for everything after the name is resolved. Raises AddressRefused or NotReached.
    """
    if method not in ("GET", "POST"):
        raise ValueError(f"{method} is never sent to addresses that others chose")
    parts = _parts(address, test_hosts)
    is_test = _is_test_host(parts, test_hosts)
    tries = [parts]
    if is_test and parts.hostname == "localhost":  # the name has two addresses, servers often one
        port = f":{parts.port}" if parts.port else ""
        tries.append(parts._replace(netloc="127.0.0.1" + port))
    for this in tries:
        try:
            return _send(urlunsplit(this), method, headers, body, is_test, limit_bytes, seconds)
        except requests.ConnectionError as error:
            if this is tries[-1] or not _never_connected(error):
                raise NotReached(f"{parts.hostname} cannot be reached.") from error
        except InvalidIPAddress as error:
            raise AddressRefused(f"{parts.hostname} leads into a private network.") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise NotReached(f"{parts.hostname} gave no usable answer.") from error
    raise AssertionError("unreachable")


def _parts(address: str, test_hosts: Collection[str]) -> SplitResult:
    if len(address) > LONGEST_ADDRESS or not _TEXT.fullmatch(address):
        raise AddressRefused("The address must be short, printable ASCII without spaces.")
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise AddressRefused("The address cannot be read.") from None
    if not host or "@" in parts.netloc or "%" in parts.netloc or parts.fragment:
        raise AddressRefused("The address needs a host, and may hold no user name or fragment.")
    if parts.scheme in ("http", "https") and _is_test_host(parts, test_hosts):
        return parts
    if parts.scheme != "https":
        raise AddressRefused("The address must begin with https://.")
    if (443 if port is None else port) not in PORTS:
        raise AddressRefused(f"The port must be one of {', '.join(map(str, sorted(PORTS)))}.")
    if _is_written_out_and_private(host):
        raise AddressRefused(f"{host} leads into a private network.")
    return parts


def _is_written_out_and_private(host: str) -> bool:
    """Whether the host is an address, in whichever spelling, outside the public internet."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        try:
            found = ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return False  # a name, which is resolved when it is called
    try:
        get_ip_address(str(found), 443, allow_loopback=False)  # the rule that holds for calls, too
    except InvalidIPAddress:
        return True
    return found.version == 6 and found not in _GLOBAL_UNICAST


def _is_test_host(parts: SplitResult, test_hosts: Collection[str]) -> bool:
    names = {parts.hostname, f"[{parts.hostname}]", parts.netloc.lower()}
    return not names.isdisjoint(test_hosts)


def _never_connected(error: requests.ConnectionError) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


class _Adapter(IPFilterAdapter):  # type: ignore[misc]
    """Pins the resolved address; lets every byte pass only until the deadline."""

    def __init__(self, is_https: bool, is_test: bool, deadline: "_Deadline") -> None:
        super().__init__(is_https_proto=is_https, allow_loopback=is_test)
        self._is_test, self._deadline = is_test, deadline

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        pinned = ipaddress.ip_address(host["host"].strip("[]"))
        if self._is_test != pinned.is_loopback:
            raise InvalidIPAddress(pinned)
        if pinned.version == 6 and not self._is_test and pinned not in _GLOBAL_UNICAST:
            raise InvalidIPAddress(pinned)
        return host, pool

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **options)
        deadline, plain = self._deadline, pool.ConnectionCls

        class Watched(plain):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> socket.socket:
                connected: socket.socket = super()._new_conn()
                deadline.watch(connected)
                return connected

        pool.ConnectionCls = Watched
        return pool


class _Deadline:
    """Cuts the connection when time is up: a timeout for each read never ends a slow drip."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._copies: list[socket.socket] = []
        self._timer: threading.Timer | None = None

    def watch(self, connected: socket.socket) -> None:
        """Cut this connection at the deadline; a copy survives the change to TLS."""
        copy = connected.dup()
        self._copies.append(copy)
        left = max(0.0, self._ends_at - time.monotonic())
        self._timer = threading.Timer(left, _cut, (copy,))
        self._timer.daemon = True
        self._timer.start()

    @property
    def is_over(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self._ends_at

    def close(self) -> None:
        """Let go of the connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # a cut under way must not meet another connection's number
        for copy in self._copies:
            copy.close()


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        connected.shutdown(socket.SHUT_RDWR)


def _send(
    address: str,
    method: str,
    headers: Mapping[str, str] | None,
    body: bytes | None,
    is_test: bool,
    limit_bytes: int,
    seconds: float,
) -> Answer:
    deadline = _Deadline(seconds)
    session = Manager(_CONFIG).get_session()
    session.trust_env = False  # no proxy and no .netrc: both would lead around the rules
    session.mount("http://", _Adapter(False, is_test, deadline))
    session.mount("https://", _Adapter(True, is_test, deadline))
    try:
        with session.request(
            method,
            address,
            headers={**(headers or {}), "Accept-Encoding": "identity"},
            data=body,
            stream=True,
            timeout=(min(3.0, seconds), seconds),
        ) as answer:
            content = answer.raw.read(limit_bytes + 1, decode_content=False)
            if len(content) > limit_bytes:
                raise ValueError("the answer is too large")
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise ValueError("the answer is compressed although that was not accepted")
            if deadline.is_over:  # what was cut off can look like a whole answer
                raise ValueError("the answer took too long")
            return Answer(answer.status_code, answer.headers, content)
    finally:
        session.close()
        deadline.close()
