"""``atoll client``: programs registered, listed, approved and removed through the gateway."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from atoll import commands, door
from atoll.exits import DONE, MISUSED, NOT_RUNNING, Stop
from atoll.home import Home
from atoll.terminal import say

CLIENTS = "/identity/clients"
SCOPE = "identity.clients"


def add(place: Home, file: str) -> int:
    """Register the program that a file of RFC 7591 metadata describes; print the registration.

    The secret is in what is printed, and is never shown again.
    """
    return _print(_call(place, "POST", CLIENTS, _metadata(file)))


def show(place: Home, client_id: str) -> int:
    """Print one program's registration."""
    return _print(_call(place, "GET", _path(client_id)))


def listed(place: Home, *, waiting: bool, as_json: bool) -> int:
    """List every program, or those that wait for a person's decision."""
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        query = urlencode({"after": after} | ({"waiting": "yes"} if waiting else {}))
        page = _call(place, "GET", f"{CLIENTS}?{query}")
        found += page["clients"]
        after = page["next"]
    if as_json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return DONE
    say(f"{'PROGRAM':<22} {'STATE':<9} {'OWNER':<18} {'PROFILE':<9} SCOPES")
    for client in found:
        say(
            f"{client['client_id']:<22} {client['status']:<9} {client['owner'] or '-':<18} "
            f"{client['profile']:<9} {client['scope']}"
        )
        if client["waiting"]:
            wants = client["waiting"]
            said = wants["why"] or "no reason given"
            say(f"{'':<22} waits: {wants['environment']}, {wants['scope']} ({said})")
    return DONE


def remove(place: Home, client_id: str, reason: str | None, *, as_json: bool) -> int:
    """End a program for good."""
    query = f"?{urlencode({'reason': reason})}" if reason else ""
    _call(place, "DELETE", _path(client_id) + query)
    if as_json:
        return _print({"client_id": client_id, "removed": True})
    say(f"Removed {client_id}. Its tokens are worth nothing within two seconds.")
    return DONE


def decide(place: Home, client_id: str, decision: str, by: str, reason: str) -> int:
    """Carry out what a person with the role identity:administrator decided."""
    body = {"decision": decision, "by": by, "reason": reason}
    return _print(_call(place, "POST", f"{_path(client_id)}/decision", body))


def rotate_secret(place: Home, client_id: str, overlap_s: int | None) -> int:
    """Give a program a new secret and print it; the former one goes on for a while."""
    body = {} if overlap_s is None else {"overlap_s": overlap_s}
    return _print(_call(place, "POST", f"{_path(client_id)}/secret", body))


def _path(client_id: str) -> str:
    return f"{CLIENTS}/{quote(client_id, safe='')}"


def _metadata(file: str) -> Any:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise Stop(f"{file} cannot be read: {error.strerror}", MISUSED) from None
    except (ValueError, RecursionError) as error:
        raise Stop(f"{file} is not JSON: {error}", MISUSED) from None


def _call(place: Home, method: str, path: str, body: Any = None) -> dict[str, Any]:
    gateway = commands.running_address(place)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        token = door.operator_token(gateway, commands.operator_secret(place), "identity", SCOPE)
        status, answer = door.call(
            gateway,
            method,
            path,
            body=None if body is None else json.dumps(body).encode(),
            headers=headers | {"Authorization": f"Bearer {token}"},
        )
    except door.Unreachable as error:
        raise Stop(f"The gateway at {gateway} does not answer: {error}", NOT_RUNNING) from None
    if status >= 300:
        code = f"{answer['error']}, " if answer.get("error") else ""
        raise Stop(f"identity refused: {door.reason(answer)} ({code}{status})")
    return answer


def _print(answer: dict[str, Any]) -> int:
    say(json.dumps(answer, indent=2, ensure_ascii=False))
    return DONE
