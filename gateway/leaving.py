"""A worker that is about to be replaced asks its callers to connect anew (a graceful handover).

``servicekit/handover.py`` starts the successor, sends this worker SIGUSR1, and ends it later. Until
then every answer carries ``Connection: close``, so that no kept connection is in use at the end.
"""

import asyncio
import contextlib
import signal


class Leaving:
    """Whether this worker has been told that it will be replaced."""

    def __init__(self) -> None:
        self.is_set = False

    async def start(self) -> None:
        """Listen for the signal, where this is a process of its own (its main thread)."""
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.set)

    async def stop(self) -> None:
        """Nothing is left to do."""

    def set(self) -> None:
        """Ask every caller to connect anew from now on."""
        self.is_set = True
