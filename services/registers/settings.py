"""Settings of the registers service: those that every service has, and none of its own."""

import dataclasses

from servicekit.settings import ServiceSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """The settings, each one environment variable."""
