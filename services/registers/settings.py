"""Settings of the registers service."""

import base64
import binascii
import dataclasses
from collections.abc import Iterator

from servicekit.settings import ServiceSettings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """The settings, each one environment variable."""

    log_key: str | None = setting(
        "Signs the checkpoints of registers (Ed25519): 32 random bytes in base64url.",
        default=None,
        secret=True,
    )

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each rule that the values break."""
        yield from super().faults()
        try:
            fine = self.log_key is None or len(base64.urlsafe_b64decode(self.log_key)) == 32
        except (binascii.Error, ValueError):
            fine = False
        if not fine:
            yield "REGISTERS_LOG_KEY must be 32 bytes in base64url."
