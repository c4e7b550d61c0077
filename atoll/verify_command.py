"""``atoll verify``: have every hash and tile of the registers made again from their entries."""

import json
import sys
from typing import Any
from urllib.parse import quote

from atoll import door
from atoll.commands import credentials, running_address
from atoll.exits import DONE, FAILED, NOT_RUNNING, Stop
from atoll.home import Home
from atoll.terminal import complain, paint, say

PART_S = 60  # one part is a few thousand entries


def verify(place: Home, register: str | None, *, as_json: bool) -> int:
    """Verify one register or all; returns 1 when one is not what its entries lead to."""
    address = running_address(place)
    secret = next(
        each["client_secret"]
        for each in credentials(place)["clients"]
        if each["client_id"] == "operator"
    )
    try:
        token = door.operator_token(address, secret, "registers")
        names = [register] if register else _every(address)
        results = [_verify(address, token, name) for name in names]
    except door.Unreachable as error:
        raise Stop(f"The gateway at {address} does not answer: {error}", NOT_RUNNING) from None
    if as_json:
        say(json.dumps(results, indent=2, ensure_ascii=False))
    for result in results if not as_json else ():
        _tell(result)
    return FAILED if any(result["difference"] for result in results) else DONE


def _every(address: str) -> list[str]:
    status, document = door.call(address, "GET", "/registers")
    if status != 200:
        raise Stop(f"The registers cannot be listed: {door.reason(document)} ({status})")
    return [str(each["id"]) for each in document["registers"]]


def _verify(address: str, token: str, register: str) -> dict[str, Any]:
    """Go through one register part by part, telling on a terminal how far it is."""
    after = 0
    while True:
        path = f"/registers/{quote(register, safe='')}/verification?after={after}"
        status, part = door.call(
            address, "GET", path, headers={"Authorization": f"Bearer {token}"}, timeout_s=PART_S
        )
        if status != 200:
            raise Stop(f"{register} cannot be verified: {door.reason(part)} ({status})")
        if part["done"]:
            _progress("")
            return part
        after = part["verified"]
        _progress(f"{register}: {after:,} of {part['size']:,} entries")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def _tell(result: dict[str, Any]) -> None:
    difference, register = result["difference"], result["register"]
    if difference is None:
        say(f"{paint('whole', 'green')}    {register}: {result['size']:,} entries, both trees")
        return
    number = difference["entry-number"]
    where = "the register as a whole" if number is None else f"entry {number:,}"
    complain(f"{paint('CHANGED', 'coral')}  {register}, {where}: {difference['detail']}")
