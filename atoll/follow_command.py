"""``atoll follow``: mirror a register of any platform and refuse a rewritten history."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from atoll import door, home
from atoll.exits import DONE, MISUSED, NOT_RUNNING, REWRITTEN, Stop
from atoll.mirror import Mirror, Rewritten, State
from atoll.terminal import paint, say
from servicekit.note import NoteInvalid, Verifier

PAGE, WAIT_S, LIMIT_BYTES = 500, 20, 64 * 1024 * 1024
RETRY_S = (1, 2, 5, 10, 30)


def follow(url: str, into: str | None, vkey: str | None, *, once: bool) -> int:
    """Mirror the register at an address; go on until stopped, or only once.

    vkey: the register's key; without it the key that it tells first is believed and kept. Raises
    Stop with the code REWRITTEN when the register contradicts what was mirrored.
    """
    url = url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.path.rpartition("/")[2]:
        raise Stop(
            "Give the address of a register: http://localhost:8000/registers/island", MISUSED
        )
    folder = Path(into or f"{parts.path.rpartition('/')[2]}-mirror")
    mirror = _open(folder, url, vkey)
    say(f"Following {url} into {folder}, from {mirror.state.size:,} entries.")
    try:
        _follow(mirror, once=once)
    except Rewritten as fault:
        raise Stop(
            f"REFUSED: {url} contradicts the mirror in {folder}. {fault}\nThe mirror is as it was. "
            "Keep it: with its signed checkpoint it is the evidence.",
            REWRITTEN,
        ) from None
    return DONE


def _open(folder: Path, url: str, vkey: str | None) -> Mirror:
    """Open the mirror of a folder, or begin one there."""
    with home.said_plainly(folder):
        folder.mkdir(parents=True, exist_ok=True)
    file = folder / "state.json"
    if file.is_file():
        try:
            state = State.read(file.read_bytes())
        except (ValueError, KeyError, TypeError) as fault:
            raise Stop(f"{file} is no state of a mirror: {fault}") from None
        if state.url != url:
            raise Stop(f"{folder} mirrors {state.url}. Choose another folder with --into.", MISUSED)
        if vkey is not None and vkey != state.vkey:
            raise Stop(f"{folder} knows the register by another key: {state.vkey}", REWRITTEN)
        return Mirror(folder, state)
    told = vkey or _told_key(url)
    try:
        Verifier.parse(told)
    except NoteInvalid as fault:
        raise Stop(f"This is no key of a register: {fault}.", MISUSED) from None
    if vkey is None:
        say(f"The key of the register is believed as it is told: {told}")
    mirror = Mirror(folder, State(url, told))
    mirror.keep()
    return mirror


def _told_key(url: str) -> str:
    try:
        status, data = _get(url, "/log")
    except _Away as away:
        raise Stop(f"{url} does not answer: {away}", NOT_RUNNING) from None
    if status != 200:
        raise Stop(f"{url} is no register that can be followed ({status}).", NOT_RUNNING)
    trees = json.loads(data)["trees"]
    return str(next(tree["vkey"] for tree in trees if tree["version"] == "v2"))


def _follow(mirror: Mirror, *, once: bool) -> None:
    failures = 0
    while True:
        try:
            grown = pull(mirror)
        except _Away as away:
            if once:
                raise Stop(f"{mirror.state.url} does not answer: {away}", NOT_RUNNING) from None
            wait = RETRY_S[min(failures, len(RETRY_S) - 1)]
            say(f"{mirror.state.url} does not answer ({away}); trying again in {wait} s.")
            time.sleep(wait)
            failures += 1
            continue
        failures = 0
        if grown:
            say(f"{paint('consistent', 'green')}  {mirror.state.size:,} entries (+{grown:,})")
        if once:
            if not grown:
                say(f"{paint('consistent', 'green')}  {mirror.state.size:,} entries, nothing new")
            return
        if not grown:
            _wait_for_more(mirror)


def pull(mirror: Mirror) -> int:
    """Bring a mirror up to the register's signed head; returns by how many entries it grew."""
    status, data = _get(mirror.state.url, "/checkpoint")
    if status != 200:
        raise _Away(f"no checkpoint: {status}")
    note = data.decode("utf-8", "replace")
    head = mirror.check(note)
    before = mirror.state.size
    if head.size > before:
        mirror.add(head, note, _entries(mirror.state.url, before, head.size))
    return head.size - before


def _entries(url: str, after: int, upto: int) -> Iterator[dict[str, Any]]:
    while after < upto:
        limit = min(PAGE, upto - after)
        status, data = _get(url, f"/feed?after={after}&limit={limit}")
        page = json.loads(data) if status == 200 else {}
        if status == 400:
            raise Rewritten(f"It does not have entry {after + 1} any more.")
        if not page.get("entries"):
            raise _Away(f"no entries after {after}: {status}")
        yield from page["entries"]
        after += len(page["entries"])


def _wait_for_more(mirror: Mirror) -> None:
    """Wait until there is an entry after the last one, or for a while."""
    began = time.monotonic()
    try:
        status, data = _get(
            mirror.state.url, f"/feed?after={mirror.state.size}&wait={WAIT_S}&limit=1"
        )
    except _Away:
        return  # the next pull tells
    if status != 200 or not json.loads(data).get("entries"):
        # not every server waits: never ask more than once a second
        time.sleep(max(0.0, 1 - (time.monotonic() - began)))


class _Away(Exception):
    """The other side gave no usable answer."""


def _get(url: str, path: str) -> tuple[int, bytes]:
    connection, host = door.connect(url, WAIT_S + 15)
    try:
        connection.request("GET", urlsplit(url).path + path, headers={"Host": host})
        answer = connection.getresponse()
        data = answer.read(LIMIT_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise _Away(str(error) or type(error).__name__) from None
    finally:
        connection.close()
    if len(data) > LIMIT_BYTES:
        raise _Away("the answer is too large")
    return answer.status, data
