"""What the issuer says of itself (OpenID Connect Discovery 1.0 section 3, RFC 8414)."""

from typing import Any

from services.identity.domain.assurance import Level
from services.identity.domain.key_life import ALGORITHMS
from services.identity.domain.scopes import SCOPES
from services.identity.parts import Parts
from services.identity.protocol import assertions, authentication, code_flow, grants


def metadata(parts: Parts) -> dict[str, Any]:
    """Return the metadata document; it promises nothing that the code does not do."""
    issuer = parts.settings.issuer
    methods = list(authentication.METHODS)
    confidential = [method for method in methods if method != "none"]
    algorithms = list(assertions.ALGORITHMS)
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "end_session_endpoint": f"{issuer}/sign-out",
        "registration_endpoint": f"{issuer}/clients",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [*grants.GRANT_TYPES, *parts.profile.grant_types()],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "acr_values_supported": list(Level),
        "prompt_values_supported": sorted(code_flow.PROMPTS),
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash"),
            *("sid", "acr_reason", "name", "name#dv", "preferred_username", "locale"),
            *("email", "email_verified", "phone_number", "phone_number_verified"),
        ],
        "ui_locales_supported": ["en", "dv"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        **parts.profile.metadata(issuer),
    }
