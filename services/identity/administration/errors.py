"""Refusals of client metadata in the shape of RFC 7591 section 3.2.2."""

from authlib.oauth2 import OAuth2Error

from services.identity.domain.registration import Faulty


class MetadataRefused(OAuth2Error):  # type: ignore[misc]
    """The metadata cannot be registered; ``error`` is one of RFC 7591's codes."""

    def __init__(self, fault: Faulty) -> None:
        super().__init__(description=_plain(fault.description))
        self.error = fault.error


def _plain(text: str) -> str:
    """Leave out what RFC 6749 section 5.2 does not allow in a description."""
    return "".join(c for c in text if " " <= c <= "~" and c not in '"\\')


def metadata_refused(description: str, error: str = "invalid_client_metadata") -> MetadataRefused:
    """Return a refusal that is not one of the domain's."""
    return MetadataRefused(Faulty(description, error))
