"""``atoll keys``: the keys that sign tokens, listed, rotated and withdrawn through the gateway."""

import json
from typing import Any

from atoll import commands, door
from atoll.exits import DONE, NOT_RUNNING, Stop
from atoll.home import Home
from atoll.terminal import say

KEYS = "/identity/keys"


def show(place: Home, *, as_json: bool) -> int:
    """List every key and where it is in its life."""
    return _tell(_call(place, "GET", KEYS), as_json=as_json)


def rotate(place: Home, algorithm: str | None, *, as_json: bool) -> int:
    """Ask that the next keys sign; they do so as soon as every verifier can know them."""
    body = {"algorithm": algorithm} if algorithm else {}
    return _tell(_call(place, "POST", f"{KEYS}/rotate", body), as_json=as_json)


def withdraw(place: Home, kid: str, reason: str, *, as_json: bool) -> int:
    """Take one key out of use at once, because somebody else may hold it."""
    if not kid.replace("-", "").replace("_", "").isalnum():
        raise Stop(f"{kid!r} is not the id of a key. `atoll keys list` shows them.")
    found = _call(place, "POST", f"{KEYS}/{kid}/withdraw", {"reason": reason})
    if not as_json:
        say("Withdrawn. Nothing that this key signed counts any more; who was signed in with it")
        say("signs in again. The gateway knows within two seconds.\n")
    return _tell(found, as_json=as_json)


def _call(
    place: Home, method: str, path: str, body: dict[str, str] | None = None
) -> dict[str, Any]:
    gateway = commands.running_address(place)
    headers = {"Content-Type": "application/json"}
    try:
        token = door.operator_token(gateway, commands.operator_secret(place), "identity")
        status, answer = door.call(
            gateway,
            method,
            path,
            body=None if body is None else json.dumps(body).encode(),
            headers=headers | {"Authorization": f"Bearer {token}"},
        )
    except door.Unreachable as error:
        raise Stop(f"The gateway at {gateway} does not answer: {error}", NOT_RUNNING) from None
    if status != 200:
        raise Stop(f"identity refused: {door.reason(answer)} ({status})")
    return answer


def _tell(answer: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        say(json.dumps(answer, indent=2))
        return DONE
    say(f"{'KEY':<44} {'SIGNS':<6} {'STATE':<9} SINCE                 THEN")
    for key in answer["keys"]:
        moments = ("gone_at", "retiring_at", "active_at", "published_at")
        since = next(key[name] for name in moments if key[name])
        then = f"signs from {key['due_at']}" if key["due_at"] else key["reason"] or ""
        say(f"{key['kid']:<44} {key['algorithm']:<6} {key['state']:<9} {since:<21} {then}".rstrip())
    return DONE
