"""The platform as the command line sees it: a few HTTP calls to the gateway."""

import base64
import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from atoll.exits import Stop


class Unreachable(Exception):
    """Nothing answered at the gateway's address."""


def call(
    gateway: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout_s: float = 5,
) -> tuple[int, dict[str, Any]]:
    """Send one request; return the status and the JSON object (empty when it is not one)."""
    connection, host = connect(gateway, timeout_s)
    try:
        connection.request(
            method,
            path,
            body,
            {"Host": host, "Accept": "application/json"} | (headers or {}),
        )
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(str(error)) from None
    finally:
        connection.close()
    try:
        document = json.loads(content)
    except ValueError:
        document = {}
    return answer.status, document if isinstance(document, dict) else {}


def connect(gateway: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection to the gateway that opens when it is used, and the host to name."""
    address = urlsplit(gateway)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    # our gateway listens on IPv4 loopback in any case; another program may hold the IPv6 one
    host = "127.0.0.1" if address.hostname == "localhost" else address.hostname or "127.0.0.1"
    return kind(host, address.port, timeout=timeout_s), address.netloc


def readiness(gateway: str, timeout_s: float = 2) -> dict[str, str]:
    """Return each component's state as the gateway sees it; empty when the gateway is away."""
    try:
        _, document = call(gateway, "GET", "/readyz", timeout_s=timeout_s)
    except Unreachable:
        return {}
    components = document.get("components")
    if not isinstance(components, dict):
        return {}
    states = {
        name: str(each.get("state")) for name, each in components.items() if isinstance(each, dict)
    }
    return {"gateway": "ready", **states}


def answers(port: int, timeout_s: float = 2) -> bool:
    """Whether the service on a port of this machine is ready, or the gateway at least speaks."""
    try:
        status, document = call(f"http://127.0.0.1:{port}", "GET", "/readyz", timeout_s=timeout_s)
    except Unreachable:
        return False
    return status == 200 or "components" in document


def is_ready(gateway: str, timeout_s: float = 2) -> bool:
    """Whether the whole platform answers."""
    try:
        return call(gateway, "GET", "/readyz", timeout_s=timeout_s)[0] == 200
    except Unreachable:
        return False


def operator_token(
    gateway: str, secret: str, service: str = "gateway", scope: str = "platform.operate"
) -> str:
    """Return the operator's token for one service (client credentials, RFC 6749 4.4)."""
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "scope": scope,
            "resource": f"urn:atoll:{service}",
        }
    )
    status, answer = call(
        gateway,
        "POST",
        "/identity/token",
        body=form.encode(),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "Basic " + base64.b64encode(f"operator:{secret}".encode()).decode(),
        },
    )
    if status != 200:
        raise Stop(f"identity gave the operator no token: {reason(answer)} ({status})")
    return str(answer["access_token"])


def reset(gateway: str, token: str) -> None:
    """Ask the gateway to put every service back to the start state."""
    status, answer = call(
        gateway,
        "POST",
        "/operate/reset",
        body=b"",
        headers={"Authorization": f"Bearer {token}"},
        timeout_s=30,
    )
    if status >= 300:
        raise Stop(f"The reset did not finish: {reason(answer)} ({status})")


def reason(answer: dict[str, Any]) -> str:
    """Return what a refusal says, in words."""
    for field in ("detail", "error_description", "title", "error"):
        if answer.get(field):
            return str(answer[field])
    return "no reason was given"
