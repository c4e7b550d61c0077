"""FAPI 2.0 Security Profile, where the core lets a profile join (``protocol/profile.py``)."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc9101.errors import RequestNotSupportedError
from sqlalchemy.orm import Session, object_session

from servicekit.clock import Clock
from servicekit.dpop import PROOF_ALGORITHMS
from services.identity.fapi import par
from services.identity.fapi.proofs import InvalidDpopProof, client_key
from services.identity.fapi.rules import FAPI2, check_client, check_dpop_jkt, is_strict
from services.identity.protocol import exchange
from services.identity.protocol.profile import GrantType, Profile
from services.identity.protocol.request import Parameters
from services.identity.protocol.token_endpoint import TokenRequest
from services.identity.storage import pushed
from services.identity.storage.tables import Client, Grant

__all__ = ["FAPI2", "Fapi"]


class Fapi(Profile):
    """PAR, DPoP and token exchange for every client; required where the client is ``fapi2``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def grant_types(self) -> Mapping[str, GrantType]:
        """Add token exchange."""
        return {exchange.GRANT_TYPE: exchange.exchange}

    def metadata(self, issuer: str) -> dict[str, Any]:
        """Name the endpoint and the algorithms (RFC 9126 section 5, RFC 9449 section 5.1)."""
        return {
            "pushed_authorization_request_endpoint": f"{issuer}/par",
            "require_pushed_authorization_requests": False,
            "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        }

    def parameters(self, session: Session, values: Parameters) -> Parameters:
        """Return the pushed parameters where the request names them."""
        if "request" in values:
            raise RequestNotSupportedError()
        if "request_uri" not in values:
            return values
        found = par.opened(session, values, self._clock)
        if found is None:
            raise InvalidRequestError(
                "This request_uri is unknown, used, expired or of another client. "
                "Push the request again."
            )
        return found

    def shown(self, session: Session, values: Parameters) -> Parameters:
        """Return what the sign-in page may tell of a request that was pushed."""
        return par.opened(session, values, self._clock) or values

    def check_authorization(self, client: Client, values: Parameters) -> None:
        """Refuse a strict client's request that was not pushed; only ``par`` lets one name it."""
        check_dpop_jkt(values)
        if is_strict(client) and "request_uri" not in values:
            raise InvalidRequestError("A client of the profile fapi2 must push its requests first.")

    def bind_grant(self, session: Session, grant: Grant, values: Parameters) -> None:
        """Take the one code of a pushed request; bind it to the key that was named."""
        if "request_uri" in values and not pushed.use(
            session, values["request_uri"], self._clock.now()
        ):
            raise InvalidRequestError("This request_uri was used. Push the request again.")
        if "dpop_jkt" in values:
            session.add(grant)
            session.flush()  # the binding points to it
            pushed.bind_code(session, grant.id, values["dpop_jkt"])

    def confirmation(self, request: TokenRequest) -> Mapping[str, str] | None:
        """Bind the tokens to the key of the request's proof."""
        check_client(request.client)
        key = client_key(request.parts, request.http)
        if key is None and is_strict(request.client):
            raise InvalidDpopProof("A client of the profile fapi2 must send a DPoP proof.")
        return None if key is None else {"jkt": key}

    def check_grant(self, request: TokenRequest, grant: Grant) -> None:
        """Refuse a code or refresh token that is bound to another key; bind a public client's."""
        session = object_session(grant)
        assert session is not None  # noqa: S101 (the core read the grant in this transaction)
        proven = (request.confirmation or {}).get("jkt")
        code_key, refresh_key = pushed.binding(session, grant.id)
        is_code = request.form["grant_type"] == "authorization_code"
        bound_to = code_key if is_code else refresh_key
        if bound_to is not None and bound_to != proven:
            raise InvalidGrantError("This is bound to another key. Send a proof by that key.")
        if is_code and proven is not None and request.client.auth_method == "none":
            pushed.bind_refresh(session, grant.id, proven)  # nothing else proves a public client

    def rotates(self, client: Client) -> bool:
        """Rotate unless the client is strict: its tokens are bound already (FAPI 2.0 5.3.2.1)."""
        return not is_strict(client)
