"""The gateway's tables and its only SQL."""

from gateway.storage.base import Base
from gateway.storage.exchanges import (
    Exchange,
    append_exchanges,
    clear_exchanges,
    last_number,
    list_exchanges,
)
from gateway.storage.issuer_keys import IssuerKeys, keep_issuer_keys, kept_issuer_keys

metadata = Base.metadata

__all__ = [
    "Base",
    "Exchange",
    "IssuerKeys",
    "append_exchanges",
    "clear_exchanges",
    "keep_issuer_keys",
    "kept_issuer_keys",
    "last_number",
    "list_exchanges",
    "metadata",
]
