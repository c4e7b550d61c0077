"""DPoP proofs at identity's own endpoints (RFC 9449), remembered in the database."""

from authlib.oauth2 import OAuth2Error
from flask import Request, request

from servicekit.dpop import InvalidProof, check_proof
from services.identity.domain.digests import fingerprint
from services.identity.parts import Parts, parts
from services.identity.storage import single_use


class InvalidDpopProof(OAuth2Error):  # type: ignore[misc]
    """The proof is missing or wrong (RFC 9449 section 5)."""

    error = "invalid_dpop_proof"


def proven_key(own: Parts, http: Request, access_token: str | None = None) -> str | None:
    """Return the thumbprint of the key that the request proves to hold, or None without a proof.

    Raises InvalidProof. Every process refuses a proof that any of them has seen.
    """
    proofs = http.headers.getlist("DPoP")
    if not proofs:
        return None

    def take(name: str, now: float) -> bool:
        with own.database.transaction() as session:
            return single_use.take(session, fingerprint(f"proof\n{name}"), own.clock.now())

    return check_proof(
        proofs,
        method=http.method,
        url=own.settings.public_url + http.path,
        now=own.clock.now().timestamp(),
        take=take,
        access_token=access_token,
    )


def client_key(own: Parts, http: Request) -> str | None:
    """Return the proven key at an endpoint for clients, with the errors of OAuth."""
    try:
        return proven_key(own, http)
    except InvalidProof as invalid:
        raise InvalidDpopProof(invalid.detail) from None


def proof_of_call(access_token: str) -> str | None:
    """Return the proven key of a call with an access token: checked here, or at the gateway."""
    return proven_key(parts(), request, access_token) or request.headers.get("Atoll-Proof")
