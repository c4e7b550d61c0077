"""``atoll log``: check that nothing in the exchange log was changed, and remember its head.

The remembered head is what makes the check worth something: whoever rewrites the whole log, heads
included, cannot rewrite the file that somebody else keeps (--head, on another machine).
"""

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from atoll import commands, door
from atoll.exits import DONE, FAILED, NOT_RUNNING, Stop
from atoll.home import Home, write
from atoll.terminal import say
from servicekit import merkle
from servicekit.note import Checkpoint, NoteInvalid, Verifier, open_checkpoint

SCOPE = "exchanges.overview"
# it goes with the database where `atoll reset` removes that
REMEMBERED = "gateway.db.head"
_PAGES = 100_000


def verify(place: Home, head_file: str | None, *, as_json: bool) -> int:
    """Check the whole log against its signed head, and that head against the one remembered."""
    file = Path(head_file) if head_file else place.data / REMEMBERED
    known = _remembered(file)
    gateway = commands.running_address(place)
    try:
        token = door.operator_token(gateway, commands.operator_secret(place), scope=SCOPE)
        found = _check(gateway, token)
        fault = found["first_fault"]
        sentence = _sentence(fault) if fault else _against_head(gateway, found, known)
    except door.Unreachable as error:
        raise Stop(f"The gateway at {gateway} does not answer: {error}", NOT_RUNNING) from None
    sound = sentence is None
    if sound:
        kept = {"key": found["key"], "checkpoint": found["checkpoint"]}
        write(file, json.dumps(kept, indent=2).encode())
    if as_json:
        say(json.dumps(found | {"sound": sound, "fault": sentence}, indent=2))
        return DONE if sound else FAILED
    if not sound:
        say(f"The exchange log is not what it was. {sentence}")
        return FAILED
    say(f"{found['entries']} entries are as they were written; {found['erased']} were let go.")
    since = f" It grew out of the head of {_size(known)} that was remembered." if known else ""
    say(f"All stand under the signed head of {found['size']} leaves.{since}")
    say(f"Remembered in {file}")
    return DONE


def _check(gateway: str, token: str) -> dict[str, Any]:
    """Ask for the verification, part by part; return the last answer with sums of all."""
    after, entries, erased = 0, 0, 0
    for _ in range(_PAGES):
        answer = _get(gateway, f"/exchanges/verification?after={after}", token)
        entries, erased = entries + answer["entries"], erased + answer["erased"]
        if answer["first_fault"] or answer["next"] is None:
            return answer | {"entries": entries, "erased": erased}
        after = int(answer["next"])
    raise Stop("The log grew faster than it could be checked. Try again.")


def _against_head(gateway: str, found: dict[str, Any], known: dict[str, str] | None) -> str | None:
    """Say what is wrong with the head: its signature, or that it does not grow out of the last."""
    try:
        head = _open(found["checkpoint"], found["key"])
        if known is None:
            return None
        if known["key"] != found["key"]:
            return "Its heads are signed with another key than the one remembered."
        old = _open(known["checkpoint"], known["key"])
    except NoteInvalid as error:
        return f"A head cannot be believed: {error}."
    if not old.size:
        return None
    if old.size > head.size:
        return f"It has {head.size} leaves; the head remembered has {old.size}."
    answer = _get(gateway, f"/exchanges/proofs/consistency/{old.size}/{head.size}")
    try:
        path = [base64.b64decode(one, validate=True) for one in answer["path"]]
    except (binascii.Error, TypeError, ValueError):
        path = []
    if merkle.verify_consistency(old.size, head.size, path, old.root, head.root):
        return None
    return f"Its first {old.size} leaves are not those under the head that was remembered."


def _open(text: str, key: str) -> Checkpoint:
    verifier = Verifier.parse(key)
    return open_checkpoint(text, verifier.name, [verifier])


def _size(known: dict[str, str]) -> int:
    return _open(known["checkpoint"], known["key"]).size


def _sentence(fault: dict[str, Any]) -> str:
    first, last, what = fault["number"], fault["up_to"], fault["fault"]
    if first == last:
        return f"The first fault is at entry {first}: {what}."
    return f"The first fault is between the entries {first} and {last}: {what}."


def _get(gateway: str, path: str, token: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    status, answer = door.call(gateway, "GET", path, headers=headers, timeout_s=120)
    if status != 200:
        raise Stop(f"The gateway refused: {door.reason(answer)} ({status})")
    return answer


def _remembered(file: Path) -> dict[str, str] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        _open(kept["checkpoint"], kept["key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Stop(f"{file} holds no head of a log: {error}") from None
    return {"checkpoint": str(kept["checkpoint"]), "key": str(kept["key"])}
