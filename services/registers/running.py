"""A long task beside the request that waits for it: its progress, its end, and giving it up."""

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class GivenUp(Exception):
    """Raised inside the task when nobody waits for it any more."""


class Running(Generic[T]):
    """A task in a thread of its own; ``task`` is given a function that takes its progress."""

    def __init__(self, task: Callable[[Callable[[int], None]], T]) -> None:
        self.entries = 0
        self._task = task
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._task(self._note)
        except BaseException as error:  # noqa: BLE001 (raised again where the result is asked for)
            self._error = error
        finally:
            self._ended.set()

    def _note(self, entries: int) -> None:
        self.entries = entries
        if self._given_up.is_set():
            raise GivenUp

    def ended(self, within_s: float) -> bool:
        """Wait for the end for some time; tell whether it has come."""
        return self._ended.wait(within_s)

    def result(self) -> T:
        """Wait for the end; return what the task returned or raise what it raised."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def beats(self, every_s: float) -> Iterator[int]:
        """Yield the progress from time to time until the end; give the task up when closed."""
        try:
            while not self._ended.wait(every_s):
                yield self.entries
        finally:
            if not self._ended.is_set():
                self._given_up.set()
                self._ended.wait()
