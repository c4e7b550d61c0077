"""The access marker of providers: whoever reports receipts shows the key that was agreed."""

import hmac
from collections.abc import Callable
from typing import Any, TypeVar

from flask import request

from servicekit import access
from servicekit.problems import Unauthenticated
from services.notify import simulated
from services.notify.components import components

F = TypeVar("F", bound=Callable[..., Any])


class ProviderKey:
    """Callers that show the receipt key, or the simulator's in a demonstration."""

    label = "provider key"

    def check(self) -> None:
        """Refuse every other call."""
        settings = components().settings
        accepted = [settings.receipt_key] if settings.receipt_key else []
        if settings.simulator_url is not None:
            accepted.append(simulated.key(settings.raw_data_key() or b""))
        given = request.headers.get("Authorization", "").encode()
        if not any(hmac.compare_digest(given, f"Bearer {key}".encode()) for key in accepted):
            raise Unauthenticated("Send the key that was agreed with this provider.")


def provider_key(view: F) -> F:
    """Mark a view that providers call."""
    return access.mark(ProviderKey())(view)
