"""Settings of the registers service."""

import base64
import binascii
import dataclasses
import json
from collections.abc import Iterator, Mapping

from servicekit.settings import ServiceSettings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """The settings, each one environment variable."""

    log_key: str | None = setting(
        "Signs the checkpoints of registers (Ed25519): 32 random bytes in base64url.",
        default=None,
        secret=True,
    )

    start_state: str | None = setting(
        "JSON with the subjects of the demonstration's made-up people, whom its personal registers "
        "are about; absent means no personal registers.",
        default=None,
        secret=True,
    )

    @property
    def people(self) -> Mapping[str, str]:
        """The access tokens' subject of each made-up person; none without a start state."""
        found: Mapping[str, str] = json.loads(self.start_state or "{}").get("people", {})
        return found

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each rule that the values break."""
        yield from super().faults()
        try:
            fine = self.log_key is None or len(base64.urlsafe_b64decode(self.log_key)) == 32
        except (binascii.Error, ValueError):
            fine = False
        if not fine:
            yield "REGISTERS_LOG_KEY must be 32 bytes in base64url."
        if self.start_state is not None:
            yield from self._start_state_faults()

    def _start_state_faults(self) -> Iterator[str]:
        if not self.is_loopback:
            yield (
                "REGISTERS_START_STATE is for demonstrations: it needs a loopback "
                "ATOLL_PUBLIC_URL. Remove it, or use http://localhost."
            )
        if self.log_key is None:
            yield "REGISTERS_START_STATE needs REGISTERS_LOG_KEY, which encrypts personal records."
        try:
            people = json.loads(self.start_state or "")["people"]
            fine = all(isinstance(text, str) for pair in people.items() for text in pair)
        except (ValueError, KeyError, TypeError, AttributeError):
            fine = False
        if not fine:
            yield 'REGISTERS_START_STATE must be JSON: {"people": {"NAME": "SUBJECT"}}.'
