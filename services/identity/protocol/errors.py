"""The OAuth error that Authlib does not name."""

from authlib.oauth2 import OAuth2Error


class InvalidTarget(OAuth2Error):  # type: ignore[misc]
    """The resource is unknown, missing or not one (RFC 8707 section 2)."""

    error = "invalid_target"
