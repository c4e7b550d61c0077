"""Settings of the portal."""

import base64
import binascii
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from servicekit.settings import ServiceSettings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What the portal needs to know before it starts."""

    client_id: str = setting("The portal's own client at identity.", default="portal")
    client_secret: str = setting("Secret of the portal's client.", secret=True)
    form_key: str = setting("Makes the tokens that protect forms; 64 hex digits.", secret=True)
    data_key: str = setting(
        "Encrypts the tokens kept in sessions: 32 bytes, base64url.", secret=True
    )
    start_state: str | None = setting(
        "JSON with the demonstration's credentials; only on a loopback address.",
        default=None,
        secret=True,
    )
    examples: str = setting(
        "Folder with the example programs behind the buttons of the journeys.",
        default="examples",
    )

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each rule that the values break."""
        yield from super().faults()
        if len(self.form_key) < 32:
            yield "PORTAL_FORM_KEY must have at least 32 characters."
        if len(_bytes(self.data_key)) != 32:
            yield "PORTAL_DATA_KEY must be 32 bytes in base64url."
        if self.start_state is not None:
            if not self.is_loopback:
                yield (
                    "PORTAL_START_STATE is for demonstrations: it is accepted only when "
                    "ATOLL_PUBLIC_URL is on loopback."
                )
            try:
                shape = isinstance(json.loads(self.start_state), dict)
            except ValueError:
                shape = False
            if not shape:
                yield "PORTAL_START_STATE must be a JSON object."

    @property
    def data_key_bytes(self) -> bytes:
        """The key of the session vault."""
        return _bytes(self.data_key)

    @property
    def redirect_uri(self) -> str:
        """Where identity sends a person back to."""
        return f"{self.public_url}/portal/callback"

    def program(self, name: str) -> Mapping[str, Any] | None:
        """Return the credentials of a program of the demonstration; None without one."""
        if self.start_state is None:
            return None
        demonstration = json.loads(self.start_state).get("demonstration")
        found = demonstration.get(name) if isinstance(demonstration, dict) else None
        return found if isinstance(found, dict) else None


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
