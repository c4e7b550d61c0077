"""Starts every process of the platform, watches over them, and stops them all again."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from atoll import home, processes
from atoll.exits import DONE, FAILED, INTERRUPTED, SETTINGS, Stop
from atoll.terminal import Progress, say

FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 10.0
STEADY_S = 30.0  # whoever ran this long starts again without a long wait
STARTS_BEFORE_GIVING_UP = 5
READY_WITHIN_S = 120.0
STOP_WITHIN_S = 12.0
GATHER_FAULTS_S = 2.0
LOG_CHECK_S = 60.0


@dataclass(frozen=True)
class Plan:
    """How to start one process; ``port`` is None for one that answers no HTTP."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    port: int | None = None
    last_to_stop: bool = True


@dataclass
class Child:
    """One process and its history. state: starting, running, restarting or failed."""

    plan: Plan
    process: "subprocess.Popen[bytes] | None" = None
    state: str = "starting"
    restarts: int = 0
    started_at: str = ""
    born: str | None = None
    began: float = 0.0
    log_began: int = 0
    delay_s: float = FIRST_DELAY_S
    due: float = 0.0
    faults: str = field(default="", repr=False)

    def uptime_s(self) -> float:
        """Seconds since its last start."""
        return time.monotonic() - self.began


class Supervisor:
    """Keeps the planned processes running until it is told to stop.

    answers: whether the process on a port is ready to work. is_open: whether the gateway sees
    every component ready.
    """

    def __init__(
        self,
        place: home.Home,
        gateway: str,
        plans: Sequence[Plan],
        answers: Callable[[int], bool],
        is_open: Callable[[], bool],
        *,
        write: Callable[[str], None] = say,
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        self._place, self._gateway = place, gateway
        self._answers, self._is_open = answers, is_open
        self._children = [Child(plan) for plan in plans]
        self._say, self._ready_within_s = write, ready_within_s
        self._interrupts = 0
        self._was_ready = False
        self._wake = -1

    def run(self, when_ready: Callable[[], None]) -> int:
        """Start everything, call ``when_ready`` once, stay until a signal; return the exit code."""
        with self._signals():
            try:
                for child in self._children:
                    self._start(child)
                self._write_state()
                self._watch(when_ready)
            finally:
                if self._interrupts:
                    self._say("\nStopping (press Ctrl-C again to stop at once)")
                code = self._stop()
        if self._interrupts:
            self._say("Stopped.")
        return code

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        self._wake, writer = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(writer, False)
        stops = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asked to outlive the terminal
            stops.append(signal.SIGHUP)
        before = {each: signal.getsignal(each) for each in (*stops, signal.SIGCHLD)}
        for each in stops:
            signal.signal(each, self._interrupted)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only has to wake the loop
        old_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old_wakeup)
            for each, handler in before.items():
                signal.signal(each, handler)
            os.close(self._wake)
            os.close(writer)

    def _interrupted(self, _number: int, _frame: object) -> None:
        self._interrupts += 1

    def _sleep(self, seconds: float) -> None:
        """Wait, but wake at once when a child ends or a signal comes."""
        select.select([self._wake], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake, 512):
                pass

    # starting and watching

    def _start(self, child: Child) -> None:
        plan = child.plan
        home.shorten_log(plan.log)
        descriptor = os.open(plan.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            child.log_began = os.fstat(descriptor).st_size
            child.process = subprocess.Popen(
                list(plan.arguments),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(plan.environment),
                cwd=home.CHECKOUT,
                start_new_session=True,  # a Ctrl-C in the terminal reaches only the supervisor
            )
        finally:
            os.close(descriptor)
        child.began = time.monotonic()
        child.started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        child.born = processes.birth(child.process.pid)
        child.state = "starting"

    def _watch(self, when_ready: Callable[[], None]) -> None:
        progress = Progress(self._say)
        began = logs_checked = time.monotonic()
        while not self._interrupts:
            self._reap()
            if not self._was_ready:
                self._give_up_if_hopeless(began)
            self._start_due()
            waiting = self._settle()
            if not waiting and not self._was_ready:
                self._was_ready = True
                self._write_state()
                when_ready()
            elif waiting and not self._was_ready:
                progress.at(f"waiting for {', '.join(waiting)}")
            now = time.monotonic()
            if now - logs_checked > LOG_CHECK_S:
                logs_checked = now
                for child in self._children:
                    home.shorten_log(child.plan.log)
            due = [c.due - now for c in self._children if c.state == "restarting"]
            pause = 0.1 if waiting and not self._was_ready else 0.3 if waiting else LOG_CHECK_S
            self._sleep(min([pause, *due]))

    def _reap(self) -> None:
        for child in self._children:
            if child.process is None:
                continue
            code = child.process.poll()
            if code is None:
                continue
            # what the fallen parent leaves in its group must not hold the port
            processes.send(child.process.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process = None
            if not self._interrupts:
                self._fell(child, code)

    def _fell(self, child: Child, code: int) -> None:
        if code == SETTINGS:
            child.state = "failed"
            child.faults = _tail(child.plan.log, child.log_began, lines=40)
            if self._was_ready:
                self._say(
                    f"{child.faults}\n{child.plan.name} stays stopped until this is put right."
                )
            self._write_state()
            return
        if child.uptime_s() > STEADY_S:
            child.delay_s = FIRST_DELAY_S
        child.state, child.due = "restarting", time.monotonic() + child.delay_s
        child.restarts += 1
        reason = (
            f"was killed ({signal.Signals(-code).name})"
            if code < 0
            else f"stopped (exit code {code})"
        )
        self._say(
            f"  {child.plan.name} {reason} after {child.uptime_s():.0f} s. "
            f"It starts again in {child.delay_s:g} s."
        )
        if code > 0 and (words := _tail(child.plan.log, child.log_began, lines=1, own=True)):
            self._say(f"    its last words: {words[:300]}")
            self._say(f"    the rest: atoll logs {child.plan.name}")
        child.delay_s = min(child.delay_s * 2, LONGEST_DELAY_S)
        self._write_state()

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.state == "restarting" and child.due <= now:
                self._start(child)
                self._write_state()

    def _settle(self) -> list[str]:
        """Mark as running who has become ready; return the names that are not yet."""
        for child in self._children:
            if child.state != "starting":
                continue
            port = child.plan.port
            if self._answers(port) if port else child.uptime_s() > 1:
                child.state = "running"
                if child.restarts:
                    self._say(f"  {child.plan.name} is running again.")
                self._write_state()
        waiting = [c.plan.name for c in self._children if c.state not in ("running", "failed")]
        if not waiting and not self._was_ready and not self._is_open():
            return ["the gateway to see every service"]
        return waiting

    def _give_up_if_hopeless(self, began: float) -> None:
        faulty = [child for child in self._children if child.state == "failed"]
        if faulty:
            until = time.monotonic() + GATHER_FAULTS_S  # the others may have faults to tell too
            while not self._interrupts and time.monotonic() < until:
                self._sleep(until - time.monotonic())
                self._reap()
            faults = [child.faults for child in self._children if child.state == "failed"]
            raise Stop("\n".join(faults), SETTINGS)
        for child in self._children:
            if child.restarts >= STARTS_BEFORE_GIVING_UP:
                raise Stop(
                    f"{child.plan.name} stopped {child.restarts} times while starting. "
                    f"Its last lines:\n{_tail(child.plan.log, child.log_began, lines=12)}",
                    FAILED,
                )
        if time.monotonic() - began > self._ready_within_s:
            names = [child.plan.name for child in self._children if child.state != "running"]
            raise Stop(
                f"Not ready after {self._ready_within_s:.0f} s: {', '.join(names)}. "
                f"Look at: atoll logs {names[0]}",
                FAILED,
            )

    # stopping

    def _stop(self) -> int:
        """Stop the door first, so that nothing new comes in, then everyone else."""
        first = [c for c in self._children if not c.plan.last_to_stop]
        heard = self._interrupts
        for group, seconds in ((first, 3.0), (self._children, STOP_WITHIN_S)):
            for child in group:
                if child.process and child.process.poll() is None:
                    processes.send(child.process.pid, signal.SIGTERM)
            until = time.monotonic() + seconds
            while any(c.process and c.process.poll() is None for c in group):
                if self._interrupts > max(heard, 1) or time.monotonic() > until:
                    break
                self._sleep(min(0.2, until - time.monotonic()))
        at_once = self._interrupts > max(heard, 1)
        for child in self._children:
            if child.process and child.process.poll() is None:
                processes.send(child.process.pid, signal.SIGKILL)
                child.process.wait()
            child.process = None
        self._place.state_file.unlink(missing_ok=True)
        return INTERRUPTED if at_once else DONE

    def _write_state(self) -> None:
        state = {
            "gateway": self._gateway,
            "pid": os.getpid(),
            "ready": self._was_ready,
            "services": [
                {
                    "name": child.plan.name,
                    "pid": child.process.pid if child.process else None,
                    "port": child.plan.port,
                    "state": child.state,
                    "restarts": child.restarts,
                    "started_at": child.started_at,
                    "born": child.born,
                }
                for child in self._children
            ],
        }
        # a full disk must not bring down what runs; the file is only told to `atoll status`
        with contextlib.suppress(OSError):
            home.write(self._place.state_file, json.dumps(state, indent=2).encode())


def _tail(log: Path, start: int, lines: int, *, own: bool = False) -> str:
    """Return the last lines that a process wrote since it started.

    own: only what may say why it ended, in plain words: no line about an answered call, none of the
    HTTP server around it ("Unexpected exit from worker-1").
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= size else 0, size - 20_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    said = [line for line in text.splitlines() if line.strip()]
    if own:
        said = [words for line in said if (words := _complaint(line))]
    return "\n".join(said[-lines:])


def _complaint(line: str) -> str:
    """Return what a log line complains about, without its JSON; empty when it does not."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or entry.get("level") not in ("warning", "error", "critical"):
        return ""
    words = str(entry.get("message", ""))
    if words.startswith("Unexpected exit from worker"):
        return ""
    cause = str(entry.get("exception", "")).strip().rpartition("\n")[2]
    return f"{words}: {cause}" if cause else words


def stop_leftovers(place: home.Home, write: Callable[[str], None] = say) -> None:
    """Stop what an earlier run left behind when it was killed; call it with the home locked."""
    left = [
        (str(each["name"]), int(each["pid"]), each.get("born"))
        for each in (place.state() or {}).get("services", [])
        if each.get("pid") and processes.lives(int(each["pid"]), each.get("born"))
    ]
    if not left:
        return
    write("Stopping what an earlier run left behind: " + ", ".join(name for name, _, _ in left))
    for sent, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 2.0)):
        for _, pid, born in left:
            if processes.lives(pid, born):
                processes.send(pid, sent)
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(processes.lives(pid, born) for _, pid, born in left):
            time.sleep(0.05)
