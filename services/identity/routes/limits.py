"""How often something may be tried: by account, by network, and by a device that is known.

A known device has a count of its own, so other people's guesses never delay it. Nothing is ever
locked: the longest wait is half a minute, and a passkey does not wait for guesses at all.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from services.identity.domain import sign_in
from services.identity.parts import parts
from services.identity.routes import browser
from services.identity.storage import sessions
from services.identity.storage.tables import Person


@dataclass(frozen=True)
class Attempt:
    """One try that was counted before it is checked; ``wait``: it must not be checked yet."""

    counted: str | None
    network: str | None
    wait: timedelta = timedelta()

    def succeeded(self, session: Session) -> None:
        """Begin counting anew for the account; for the network, take this one back."""
        if self.counted:
            sessions.forget_failures(session, self.counted)
        if self.network:
            sessions.take_back(session, self.network, parts().clock.now())


def begin(session: Session, account: str, person: Person | None) -> Attempt:
    """Count a try to sign in as this account, from this browser and network."""
    now, device = parts().clock.now(), browser.cookie(browser.DEVICE)
    if person is not None and sessions.is_known_device(session, device, person.sub):
        key = f"device:{device}:{account}"
        return Attempt(key, None, sessions.start_attempt(session, key, now))
    attempt = by_network(session, "sign-in")
    if attempt.wait:
        return attempt
    wait = sessions.start_attempt(session, account, now)
    if wait and attempt.network:
        sessions.take_back(session, attempt.network, now)  # nothing was checked
    return Attempt(account, attempt.network, wait)


def by_network(session: Session, what: str) -> Attempt:
    """Count a try of something that no account can be told for, from this network."""
    key = f"network:{what}:{browser.whence().key}"
    wait = sessions.start_attempt(
        session,
        key,
        parts().clock.now(),
        sign_in.network_wait_after,
        sign_in.NETWORK_FORGIVES_ONE_EVERY,
    )
    return Attempt(None, key, wait)
