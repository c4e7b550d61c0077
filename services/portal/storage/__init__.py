"""The portal's tables, and the only SQL of this service."""

from services.portal.storage.base import Tables
from services.portal.storage.hooks import (
    Inbox,
    close_inbox,
    deliveries,
    find_inbox,
    inboxes,
    keep_delivery,
    keep_secret,
    open_inbox,
    take_turn,
)
from services.portal.storage.sessions import (
    SessionRow,
    SignInRow,
    Stored,
    check,
    claim_renewal,
    close_session,
    find_session,
    keep_renewed,
    open_session,
    remember_sign_in,
    take_sign_in,
)

metadata = Tables.metadata
__all__ = [
    "Inbox",
    "SessionRow",
    "SignInRow",
    "Stored",
    "check",
    "claim_renewal",
    "close_inbox",
    "close_session",
    "deliveries",
    "find_inbox",
    "find_session",
    "inboxes",
    "keep_delivery",
    "keep_renewed",
    "keep_secret",
    "metadata",
    "open_inbox",
    "open_session",
    "remember_sign_in",
    "take_sign_in",
    "take_turn",
]
