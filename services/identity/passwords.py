"""Passwords: argon2id at OWASP's parameters, few at a time, the same time for unknown people."""

import ctypes
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from servicekit.problems import Unavailable

AT_ONCE = 2  # each costs 19 MiB and some 20 ms of a core
WAITING = 3  # more would hold every thread of the process, and tokens would have to wait
LONGEST = 128
_M_MMAP_THRESHOLD = -3  # mallopt(3)


@cache
def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, computed once a process for each password.

    Only the start state calls it: its reset must be quick.
    """
    return _hasher().hash(_normal(password))


def _normal(password: str) -> str:
    """Return a password as it is hashed: keyboards write some characters in two ways (NFKC)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _hasher() -> PasswordHasher:
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        # glibc would keep the 19 MiB of each thread's first hash for its next; give them back
        library.mallopt(_M_MMAP_THRESHOLD, 1024 * 1024)
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Compares passwords with their hashes, at most two at a time."""

    def __init__(self) -> None:
        self._admitted = threading.BoundedSemaphore(AT_ONCE + WAITING)
        self._hashing = threading.BoundedSemaphore(AT_ONCE)
        self._nobodys = hash_password("")

    def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password belongs to the hash; None costs the same time and is False."""
        given = _normal(password) if len(password) <= LONGEST else ""
        stored = password_hash or self._nobodys
        with self._hashing:
            try:
                _hasher().verify(stored, given)
            except (VerificationError, InvalidHashError, UnicodeEncodeError):
                return False
        return password_hash is not None and len(password) <= LONGEST

    def hash(self, password: str) -> str:
        """Return the argon2id hash of a new password; waits for its turn like every other."""
        with self._hashing:
            return _hasher().hash(_normal(password))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let a few sign-ins in at a time.

        Raises Unavailable when more people sign in at this moment than the process can serve.
        """
        if not self._admitted.acquire(blocking=False):
            raise Unavailable(
                "Many people are signing in at this moment. Wait a second and try again.",
                retry_after_s=1,
            )
        try:
            yield
        finally:
            self._admitted.release()
