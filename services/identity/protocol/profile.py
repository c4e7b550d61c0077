"""Where a stricter profile joins the core: services/identity/fapi overrides what it needs.

The core calls these at the four places where PAR, DPoP and token exchange differ from plain OAuth.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc9101.errors import RequestNotSupportedError, RequestUriNotSupportedError
from sqlalchemy.orm import Session

from services.identity.protocol.request import Parameters

if TYPE_CHECKING:
    from services.identity.protocol.token_endpoint import TokenRequest
    from services.identity.storage.tables import Client, Grant

GrantType = Callable[["TokenRequest"], dict[str, Any]]


class Profile:
    """The plain profile: nothing is pushed, nothing is bound to a key, refresh tokens rotate."""

    def grant_types(self) -> Mapping[str, GrantType]:
        """Return further grant types: name → what answers a token request."""
        return {}

    def metadata(self, issuer: str) -> dict[str, Any]:
        """Return further members of the metadata document."""
        return {}

    def parameters(self, session: Session, values: Parameters) -> Parameters:
        """Return the parameters that an authorization request stands for, or refuse it.

        Called each time the request is looked at, before the sign-in page and after it, so it
        spends nothing: ``bind_grant`` does, when there is a code. What it raises is shown as a
        page, or sent back when ``values`` names a registered address.
        """
        if "request" in values:
            raise RequestNotSupportedError()
        if "request_uri" in values:
            raise RequestUriNotSupportedError()
        return values

    def shown(self, session: Session, values: Parameters) -> Parameters:
        """Return the parameters that the sign-in page goes by; never a refusal."""
        return values

    def check_authorization(self, client: "Client", values: Parameters) -> None:
        """Refuse an authorization request that this client's profile does not allow."""

    def bind_grant(self, session: Session, grant: "Grant", values: Parameters) -> None:
        """Note on a new grant what its code is bound to; spend what was pushed, or refuse."""

    def confirmation(self, request: "TokenRequest") -> Mapping[str, str] | None:
        """Return the ``cnf`` claim of the tokens of this answer, or None for bearer tokens.

        Called when the client is known and before anything is claimed.
        """
        return None

    def check_grant(self, request: "TokenRequest", grant: "Grant") -> None:
        """Refuse to go on with a grant whose code or refresh token is bound to another key."""

    def rotates(self, client: "Client") -> bool:
        """Whether each refresh replaces the refresh token."""
        return True
