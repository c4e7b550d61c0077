"""How sure the platform is who somebody is: the lower of two levels, never the higher.

The level of the *sign-in* says how well the person proved to be the owner of the account. The level
of the *identity* says how well it was checked whose account it is. Somebody without papers can have
a strong sign-in; a service that needs to know who they are is still told ``low``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The levels of the platform, as ``acr`` (compare eIDAS, regulation 910/2014 article 8)."""

    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Its place in the order."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Proof:
    """How somebody has just signed in."""

    way: str  # what the history calls it
    level: Level
    amr: tuple[str, ...]  # RFC 8176


PASSWORD_AND_CODE = Proof("password-and-code", Level.SUBSTANTIAL, ("pwd", "otp", "mfa"))
PASSWORD_AND_RECOVERY_CODE = Proof("password-and-recovery-code", Level.SUBSTANTIAL, ("pwd", "mfa"))


def passkey(*, device_bound: bool) -> Proof:
    """Return what a passkey proves whose owner was verified by the device.

    A key that is copied between devices rests on the account of some other company, so it counts
    as much as password and code; one that cannot leave its device counts more.
    """
    if device_bound:
        return Proof("passkey", Level.HIGH, ("hwk", "user", "mfa"))
    return Proof("passkey", Level.SUBSTANTIAL, ("swk", "user", "mfa"))


def acr(proof: Proof, identity_level: str) -> Level:
    """Return the level of a session: sign-in and identity, whichever is lower."""
    return min(proof.level, level(identity_level), key=lambda one: one.rank)


def level(text: str) -> Level:
    """Return the level of this name; an unknown one is worth the least."""
    return Level(text) if text in list(Level) else Level.LOW


class Reason(StrEnum):
    """Why a level that was asked for is not reached, as the ID token's ``acr_reason`` says it."""

    IDENTITY_NOT_PROVED = "identity-not-proved"  # nobody has checked well enough who this is
    SIGN_IN_TOO_WEAK = "sign-in-too-weak"  # a stronger factor would reach it


def unreached(identity_level: str, wanted: Iterable[str]) -> Reason:
    """Return which of the two levels keeps a session below all those asked for."""
    if suffices(level(identity_level), wanted):
        return Reason.SIGN_IN_TOO_WEAK
    return Reason.IDENTITY_NOT_PROVED


def suffices(reached: str, wanted: Iterable[str]) -> bool:
    """Whether a session's level is one of those asked for, or above one of them."""
    known = [Level(name) for name in wanted if name in list(Level)]
    return not known or level(reached).rank >= min(one.rank for one in known)
