"""``atoll agreement``: who may call which service and how often, through the gateway."""

import json
from typing import Any
from urllib.parse import quote, urlencode

from atoll import commands, door
from atoll.exits import DONE, NOT_RUNNING, Stop
from atoll.home import Home
from atoll.terminal import say

AGREEMENTS, PLANS = "/directory/agreements", "/directory/plans"


def listed(
    place: Home, client: str | None, service: str | None, *, unused: bool, as_json: bool
) -> int:
    """List agreements, or those alone that are in force and were not used for long."""
    wanted = {"client_id": client, "service": service}
    query = urlencode({name: value for name, value in wanted.items() if value})
    answer = _call(place, "GET", f"{AGREEMENTS}?{query}")
    found = [one for one in answer["agreements"] if one["unused"] or not unused]
    if as_json:
        return _print(found)
    say(f"{'AGREEMENT':<32} {'CLIENT':<22} {'SERVICE':<10} {'STATE':<9} {'UNTIL':<11} LAST CALL")
    for one in found:
        last = (one["last_call"] or "never") + (" (unused)" if one["unused"] else "")
        say(
            f"{one['id']:<32} {one['client']['client_id']:<22} {one['service']:<10} "
            f"{one['state']:<9} {one['until'] or '-':<11} {last}"
        )
    return DONE


def add(
    place: Home,
    client: str,
    service: str,
    basis: str,
    since: str | None,
    until: str | None,
    *,
    as_json: bool,
) -> int:
    """Let a client call a service, on a legal basis, from a day to a day."""
    body: dict[str, Any] = {"client_id": client, "service": service, "legal_basis": {"en": basis}}
    body |= {name: day for name, day in (("since", since), ("until", until)) if day}
    made = _call(place, "POST", AGREEMENTS, body)
    if as_json:
        return _print(made)
    say(f"Agreed: {client} may call {service} from {made['since']} on ({made['id']}).")
    return DONE


def end(place: Home, identifier: str, reason: str, *, as_json: bool) -> int:
    """End an agreement now; it cannot begin again."""
    body = {"end": {"reason": reason}}
    ended = _call(place, "PATCH", f"{AGREEMENTS}/{quote(identifier, safe=':')}", body)
    if as_json:
        return _print(ended)
    say(f"Ended. {ended['client']['client_id']} is refused by {ended['service']} from now on.")
    return DONE


def plan(place: Home, client: str | None, name: str | None, *, as_json: bool) -> int:
    """Put a client on a plan; without a plan show those that are not on the ordinary one."""
    if client and name:
        path = f"{PLANS}/{quote(client, safe='')}"
        answer = _call(place, "PUT", path, {"plan": name})
        if not as_json:
            say(f"{client} is on the plan {name} now.")
        return _print(answer) if as_json else DONE
    answer = _call(place, "GET", PLANS)
    found = [one for one in answer["plans"] if client in (None, one["client_id"])]
    if as_json:
        return _print(found)
    for one in found:
        say(f"{one['client_id']:<22} {one['plan']}")
    say(f"{'every other client' if client is None or not found else '':<22} {answer['ordinary']}")
    return DONE


def _call(place: Home, method: str, path: str, body: Any = None) -> Any:
    gateway = commands.running_address(place)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        token = door.operator_token(gateway, commands.operator_secret(place))
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
        faults = "; ".join(str(one.get("detail")) for one in answer.get("errors", []))
        said = f"{door.reason(answer)} {faults}".strip()
        raise Stop(f"The gateway refused: {said} ({status})")
    return answer


def _print(answer: Any) -> int:
    say(json.dumps(answer, indent=2, ensure_ascii=False))
    return DONE
