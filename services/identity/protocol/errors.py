"""The OAuth errors that Authlib does not name."""

from authlib.oauth2 import OAuth2Error


class InvalidTarget(OAuth2Error):  # type: ignore[misc]
    """The resource is unknown, missing or not one (RFC 8707 section 2)."""

    error = "invalid_target"


class UnmetAuthentication(OAuth2Error):  # type: ignore[misc]
    """The sign-in is weaker than acr_values ask, and no page may be shown (RFC 9470 section 5)."""

    error = "unmet_authentication_requirements"
