"""What the issuer says of itself (OpenID Connect Discovery 1.0 section 3, RFC 8414)."""

from typing import Any

from services.identity.domain.scopes import SCOPES
from services.identity.protocol.keys import ALGORITHM
from services.identity.protocol.tokens import ACR


def metadata(issuer: str) -> dict[str, Any]:
    """Return the metadata document; it promises nothing that the code does not do."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/sign-out",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "acr_values_supported": [ACR],
        "prompt_values_supported": ["none", "login"],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash"),
            *("name", "name#dv", "preferred_username", "locale"),
        ],
        "ui_locales_supported": ["en", "dv"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
