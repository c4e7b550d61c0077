"""Processes that end with their parent, so that a kill -9 leaves nothing running behind."""

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # Linux, prctl(2)


def end_with_parent(sent: signal.Signals = signal.SIGTERM) -> None:
    """Ask that this process gets the signal as soon as its parent is gone."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(sent))
    else:
        threading.Thread(target=_watch, args=(parent, sent), daemon=True).start()
    if os.getppid() != parent:  # it went before we asked
        os.kill(os.getpid(), sent)


def _watch(parent: int, sent: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), sent)
