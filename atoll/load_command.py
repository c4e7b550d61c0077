"""``atoll load``: send a file to a register through the gateway, with a bar that tells how far."""

import contextlib
import http.client
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from atoll import door
from atoll.commands import credentials, running_address
from atoll.exits import DONE, FAILED, MISUSED, NOT_RUNNING, Stop
from atoll.home import Home
from atoll.terminal import complain, say

PIECE = 256 * 1024
LINES = "application/x-ndjson"
SILENCE_S = 60  # the service says every second how far it is
SHOWN = 20  # faults of a dry run
ENTRY = b"append-entry\tuser\t"


class Bar:
    """How far the file and then its entries are: one line on standard error, if a person reads it.

    Where no terminal is, nothing is written.
    """

    def __init__(self, size: int, write: Callable[[str], Any] | None = None) -> None:
        on_terminal = sys.stderr.isatty()
        self._write = write or (sys.stderr.write if on_terminal else None)
        self._size, self._shown = size, ""
        self.entries = 0

    def sent(self, count: int) -> None:
        """Tell how much of the file is sent."""
        self._show(
            "sending", count, self._size, f"{count / 1e6:,.1f} of {self._size / 1e6:,.1f} MB"
        )

    def loaded(self, count: int) -> None:
        """Tell how many entries are written."""
        total = max(self.entries, count)
        self._show("loading", count, total, f"{count:,} of {total:,} entries")

    def end(self) -> None:
        """Clear the line."""
        if self._write and self._shown:
            self._write("\r" + " " * len(self._shown) + "\r")
            sys.stderr.flush()
        self._shown = ""

    def _show(self, doing: str, part: int, whole: int, words: str) -> None:
        if self._write is None:
            return
        full = 24 * part // whole if whole else 24
        line = f"{doing} [{'#' * full}{'.' * (24 - full)}] {words}"
        if line != self._shown:
            self._write("\r" + line.ljust(len(self._shown)))
            sys.stderr.flush()
            self._shown = line


def load(
    place: Home,
    path: Path,
    register: str | None,
    maps: Sequence[str],
    *,
    dry_run: bool,
    relaxed: bool,
    as_json: bool,
) -> int:
    """Load an RSF or CSV file; ``maps`` holds COLUMN=FIELD. Raises Stop."""
    target = _target(path, register, maps, dry_run=dry_run, relaxed=relaxed)
    if not path.is_file():
        raise Stop(f"There is no file {path}.", MISUSED)
    address = running_address(place)
    secret = next(
        each["client_secret"]
        for each in credentials(place)["clients"]
        if each["client_id"] == "operator"
    )
    kind = "text/csv" if path.suffix.lower() == ".csv" else "application/uk-gov-rsf"
    try:
        token = door.operator_token(address, secret, "registers")
        with path.open("rb") as file:
            status, answer = _send(address, target, file, path.stat().st_size, kind, token)
    except (door.Unreachable, OSError, http.client.HTTPException) as error:
        raise Stop(
            f"The gateway at {address} did not take the file: {error}", NOT_RUNNING
        ) from None
    if as_json:
        say(json.dumps(answer, ensure_ascii=False))
        return FAILED if status >= 400 or answer.get("faulty") else DONE
    return _tell(path, status, answer)


def _target(
    path: Path, register: str | None, maps: Sequence[str], *, dry_run: bool, relaxed: bool
) -> str:
    query: list[tuple[str, str]] = [("dry-run", "true")] if dry_run else []
    match path.suffix.lower():
        case ".rsf" if not maps:
            query += [("register", register)] if register else []
            query += [("relaxed", "true")] if relaxed else []
            target = "/registers/load"
        case ".csv" if register and not relaxed:
            query += [("map", pair) for pair in maps]
            target = f"/registers/{quote(register, safe='')}/load-csv"
        case ".rsf":
            raise Stop("--map is for CSV files: an RSF file names its fields itself.", MISUSED)
        case ".csv" if relaxed:
            raise Stop("--relaxed is for RSF files.", MISUSED)
        case ".csv":
            raise Stop("Name the register that the rows are for: --register ID", MISUSED)
        case _:
            raise Stop(f"{path} ends neither in .rsf nor in .csv.", MISUSED)
    return target + (f"?{urlencode(query)}" if query else "")


def _send(
    address: str, target: str, file: BinaryIO, size: int, kind: str, token: str
) -> tuple[int, dict[str, Any]]:
    """Send the file piece by piece; return the status and the result or the problem."""
    bar = Bar(size)
    connection, host = door.connect(address, SILENCE_S)
    headers = {
        "Host": host,
        "Accept": f"{LINES}, application/json;q=0.5",
        "Authorization": f"Bearer {token}",
        "Content-Type": kind,
        "Content-Length": str(size),
    }
    try:
        # a refusal may come before the file is sent: then the answer says why
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", target, _pieces(file, bar), headers)
        answer = connection.getresponse()
        if answer.status >= 400 or answer.getheader("Content-Type") != LINES:
            document = json.loads(answer.read())
            return answer.status, document if isinstance(document, dict) else {}
        return _follow(answer, bar)
    except ValueError:
        raise Stop("The gateway gave an answer that is no JSON.") from None
    finally:
        bar.end()
        connection.close()


def _pieces(file: BinaryIO, bar: Bar) -> Iterator[bytes]:
    sent, end = 0, b""
    while piece := file.read(PIECE):
        yield piece
        sent += len(piece)
        seen = end + piece
        bar.entries += seen.count(ENTRY)
        end = seen[-len(ENTRY) + 1 :]
        bar.sent(sent)


def _follow(answer: http.client.HTTPResponse, bar: Bar) -> tuple[int, dict[str, Any]]:
    """Read the lines of progress up to the one with the end."""
    while line := answer.readline():
        told = json.loads(line)
        if "problem" in told:
            return int(told["problem"].get("status", 500)), told["problem"]
        if "result" in told:
            return answer.status, told["result"]
        bar.loaded(int(told["entries"]))
    raise Stop("The service went away before the load ended; nothing was loaded. Load it again.")


def _tell(path: Path, status: int, answer: dict[str, Any]) -> int:
    if status >= 400:
        for error in answer.get("errors", [])[:SHOWN]:
            complain(f"  {error['detail']}")
        raise Stop(f"{path.name}: {door.reason(answer)} ({status})")
    if "rows" in answer:
        for error in answer["errors"][:SHOWN]:
            field = f", {error['field']}" if error["field"] else ""
            say(f"  line {error['line']}{field}: {error['detail']}")
        if len(answer["errors"]) > SHOWN:
            say(f"  … and {len(answer['errors']) - SHOWN:,} more; --json lists them all")
        counted = f"{answer['rows']:,} rows, {answer['faulty']:,} faulty"
        say(f"{path.name}: {counted}. Nothing was loaded.")
        return FAILED if answer["faulty"] else DONE
    for warning in answer["warnings"][:SHOWN]:
        complain(f"  warning: {warning}")
    if len(answer["warnings"]) > SHOWN:
        complain(f"  … and more; --json lists {len(answer['warnings'])} warnings")
    what = f"{answer['entries']:,} entries, {answer['items']:,} items"
    if answer["system-entries"]:
        what += f", {answer['system-entries']:,} system entries"
    if answer["skipped"]:
        what += f"; {answer['skipped']:,} rows changed nothing"
    if answer["dry-run"]:
        say(f"{path.name}: fits the register {answer['register']} ({what}). Nothing was loaded.")
        return DONE
    into = f"the {'new ' if answer['created'] else ''}register {answer['register']}"
    say(f"{path.name}: loaded into {into} ({what}).")
    say(f"  {answer['total-entries']:,} entries, root {answer['root-hash']}")
    return DONE
