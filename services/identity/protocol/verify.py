"""How identity verifies access tokens for its own endpoints: with its own key and grants."""

from servicekit.tokens import KeySource, Token, Verifier
from services.identity.parts import Parts
from services.identity.storage import grants


def own_verifier(parts: Parts) -> Verifier:
    """Return a verifier that needs no call through the gateway and knows revoked grants at once."""

    def is_revoked(token: Token) -> bool:
        grant_id = token.claims.get("grant_id")
        if grant_id is None:
            return False
        with parts.database.snapshot() as session:
            return grants.is_revoked(session, str(grant_id))

    return Verifier(
        KeySource(parts.key.jwks),
        parts.settings.issuer,
        denied=is_revoked,
        now=lambda: parts.clock.now().timestamp(),
    )
