"""Client metadata (RFC 7591 section 2): read into what a client is, or refused with a sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.identity.domain import callbacks, catalogue, names
from services.identity.domain.catalogue import Given
from services.identity.domain.scopes import SCOPES
from services.identity.domain.subjects import is_client_id

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 (a name)
GRANTS = ("authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE)
APPROVED_GRANTS = frozenset({TOKEN_EXCHANGE})  # it speaks for people whose token it was sent
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
STANDARD, FAPI2 = "standard", "fapi2"
SANDBOX, LIVE = "sandbox", "live"
MOST_ADDRESSES, MOST_CONTACTS, LONGEST_TEXT = 20, 5, 1000
# no program may be called like a part of the platform: tokens and captions name both
RESERVED = frozenset(SCOPES.values()) | {
    *("identity", "registers", "notify", "portal", "gateway", "exchanges", "directory"),
    *("operator", "operate", "platform", "atoll", "sandbox", "admin", "administrator", "system"),
    *("own", "outside", "people", "everyone", "anonymous", "worker", "issuer"),
}
_PAGES = ("client_uri", "policy_uri", "tos_uri")
_WORDS = ("software_id", "software_version")
_KEY_MEMBERS = ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg")
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_NOT_OFFERED = (
    *("userinfo_signed_response_alg", "userinfo_encrypted_response_alg"),
    *("id_token_encrypted_response_alg", "authorization_signed_response_alg"),
    *("authorization_encrypted_response_alg", "sector_identifier_uri"),
)


class Faulty(Exception):
    """Metadata that cannot be registered; error: the code of RFC 7591 section 3.2.2."""

    def __init__(self, description: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(description)
        self.error, self.description = error, description


@dataclass(frozen=True)
class Proposal:
    """What a client asks to be: each field but ``live`` is a column of the client."""

    name: dict[str, str]
    description: dict[str, str]
    contacts: list[str]
    profile: str
    application_type: str
    auth_method: str
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    id_token_alg: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    backchannel_logout_session_required: bool
    grant_types: list[str]
    scopes: list[str]
    person_scopes: list[str]
    information: dict[str, str]
    live: bool


def read(given: Mapping[str, Any]) -> Proposal:
    """Return what the metadata asks for, defaults filled in; raises Faulty."""
    _refuse_what_is_not_offered(given)
    profile = _one_of(given, "profile", (STANDARD, FAPI2), STANDARD)
    live = _one_of(given, "environment", (SANDBOX, LIVE), SANDBOX) == LIVE
    strict = profile == FAPI2
    default_method = "private_key_jwt" if strict else "client_secret_basic"
    method = _one_of(given, "token_endpoint_auth_method", METHODS, default_method)
    application = _one_of(given, "application_type", ("web", "native"), "web")
    grants = _grants(given, method)
    algorithms = ("ES256",) if strict else ("RS256", "ES256")
    scopes, person_scopes = _scopes(given, grants)
    proposal = Proposal(
        name=_in_languages(given, "client_name", names.LONGEST_NAME),
        description=_in_languages(given, "description", LONGEST_TEXT),
        contacts=_contacts(given),
        profile=profile,
        application_type=application,
        auth_method=method,
        jwks=_key_set(given.get("jwks")),
        jwks_uri=_text(given, "jwks_uri", callbacks.LONGEST) or None,
        # OpenID Connect Dynamic Client Registration 2: who names none expects RS256
        id_token_alg=_one_of(given, "id_token_signed_response_alg", algorithms, algorithms[0]),
        redirect_uris=_addresses(given, "redirect_uris", live, application),
        post_logout_redirect_uris=_addresses(given, "post_logout_redirect_uris", live, application),
        backchannel_logout_uri=_text(given, "backchannel_logout_uri", callbacks.LONGEST) or None,
        backchannel_logout_session_required=_flag(given, "backchannel_logout_session_required"),
        grant_types=grants,
        scopes=scopes,
        person_scopes=person_scopes,
        information=_information(given),
        live=live,
    )
    _check_together(given, proposal)
    return proposal


def chosen_id(given: Mapping[str, Any]) -> str | None:
    """Return the id that the metadata asks for, or None; raises Faulty where it is not free."""
    wanted = given.get("client_id")
    if wanted is None:
        return None
    if not isinstance(wanted, str) or not is_client_id(wanted) or wanted.startswith("urn"):
        raise Faulty("client_id must have 2 to 21 characters of a-z, 0-9 and -.")
    if wanted in RESERVED:
        raise Faulty("This client_id is reserved for a part of the platform.")
    return wanted


def at_once(proposal: Proposal, has_scopes: frozenset[str], has_grants: frozenset[str]) -> Proposal:
    """Return the part that needs nobody's word, or was approved before."""

    def kept(scopes: list[str]) -> list[str]:
        free = {*catalogue.at_once(scopes), *has_scopes}
        return [scope for scope in scopes if scope in free]

    return replace(
        proposal,
        grant_types=[
            g for g in proposal.grant_types if g not in APPROVED_GRANTS or g in has_grants
        ],
        scopes=kept(proposal.scopes),
        person_scopes=kept(proposal.person_scopes),
    )


def needs_approval(proposal: Proposal) -> bool:
    """Whether a person must say yes before the client is all that it asks to be."""
    return proposal.live or at_once(proposal, frozenset(), frozenset()) != proposal


def _refuse_what_is_not_offered(given: Mapping[str, Any]) -> None:
    if given.get("software_statement") is not None:
        raise Faulty("No issuer of statements is trusted here.", "unapproved_software_statement")
    for name in _NOT_OFFERED:
        if given.get(name) not in (None, "none"):
            raise Faulty(f"{name} is not offered; leave it out.")
    if given.get("subject_type", "pairwise") != "pairwise":
        raise Faulty("subject_type can only be pairwise.")
    if given.get("tls_client_certificate_bound_access_tokens"):
        raise Faulty("Tokens are bound by DPoP here, not by certificates.")


def _check_together(given: Mapping[str, Any], proposal: Proposal) -> None:
    signs_in = "authorization_code" in proposal.grant_types
    if signs_in and not proposal.redirect_uris:
        raise Faulty("Signing people in needs redirect_uris.", "invalid_redirect_uri")
    wanted = given.get("response_types", ["code"] if signs_in else [])
    if not isinstance(wanted, list) or wanted != (["code"] if signs_in else []):
        raise Faulty("response_types is [code] with authorization_code, and empty without it.")
    if proposal.jwks is not None and proposal.jwks_uri is not None:
        raise Faulty("Give jwks or jwks_uri, not both.")
    has_keys = proposal.jwks is not None or proposal.jwks_uri is not None
    if proposal.auth_method == "private_key_jwt" and not has_keys:
        raise Faulty("private_key_jwt needs jwks or jwks_uri.")
    strict = proposal.profile == FAPI2
    if strict and proposal.auth_method != "private_key_jwt":
        raise Faulty("A client of the profile fapi2 must use private_key_jwt.")
    for name in ("dpop_bound_access_tokens", "require_pushed_authorization_requests"):
        if _flag(given, name) and not strict:
            raise Faulty(f"{name} comes with the profile fapi2: send profile=fapi2.")


def _grants(given: Mapping[str, Any], method: str) -> list[str]:
    grants = _texts(given, "grant_types", GRANTS, ["authorization_code"])
    if method == "none" and {"client_credentials", TOKEN_EXCHANGE} & set(grants):
        raise Faulty("A client that keeps no secret can only sign people in.")
    if "refresh_token" in grants and "authorization_code" not in grants:
        raise Faulty("refresh_token goes with authorization_code.")
    return grants


def _scopes(given: Mapping[str, Any], grants: list[str]) -> tuple[list[str], list[str]]:
    """Return the scopes for the client itself and those on behalf of people."""
    itself = "client_credentials" in grants
    people = bool({"authorization_code", TOKEN_EXCHANGE} & set(grants))
    default = " ".join(
        [*(["openid", "profile"] if people else []), *(["registers.read"] if itself else [])]
    )
    wanted = list(dict.fromkeys(_text(given, "scope", LONGEST_TEXT, default).split()))
    if not wanted:
        raise Faulty("Name at least one scope; GET /identity/scopes explains each.")
    for scope in wanted:
        rule = catalogue.rule(scope)
        shown = scope if re.fullmatch(r"[a-z.-]{1,40}", scope) else "One of the scopes"
        if not catalogue.is_known(scope):
            raise Faulty(f"{shown} is not a scope; GET /identity/scopes lists them.")
        if rule.given is Given.PLATFORM:
            raise Faulty(f"{shown} is for the platform's own programs.")
        if not (rule.for_itself and itself) and not (rule.for_people and people):
            kind = "client_credentials" if rule.for_itself else "authorization_code"
            raise Faulty(f"{shown} needs the grant type {kind}.")
    return (
        [scope for scope in wanted if itself and catalogue.rule(scope).for_itself],
        [scope for scope in wanted if people and catalogue.rule(scope).for_people],
    )


def _addresses(given: Mapping[str, Any], name: str, live: bool, application: str) -> list[str]:
    found = given.get(name)
    wanted = [] if found is None else found
    if not isinstance(wanted, list) or len(wanted) > MOST_ADDRESSES:
        raise Faulty(f"{name} is a list of at most {MOST_ADDRESSES}.", "invalid_redirect_uri")
    for address in wanted:
        why = callbacks.fault(address, live=live, native=application == "native")
        if why is not None:
            raise Faulty(why, "invalid_redirect_uri")
    return list(dict.fromkeys(wanted))


def _key_set(given: Any) -> dict[str, Any] | None:
    """Return the public members of the keys; a private key was never to be sent to anybody."""
    if given is None:
        return None
    keys = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= 10:
        raise Faulty("jwks is a JSON Web Key Set of 1 to 10 keys.")
    kept = []
    for key in keys:
        if not isinstance(key, dict) or not all(
            isinstance(key.get(name, ""), str) and len(key.get(name, "")) <= LONGEST_TEXT
            for name in _KEY_MEMBERS
        ):
            raise Faulty("A key of jwks is not a JSON Web Key.")
        if any(name in key for name in _PRIVATE):
            raise Faulty("jwks holds a private key. Make a new one: this one has been seen.")
        kept.append({name: key[name] for name in _KEY_MEMBERS if name in key})
    for name in ("kty", "kid"):
        if not all(_is_plain(key.get(name, "")) for key in kept):
            raise Faulty("A key of jwks has characters that are not printable.")
    return {"keys": kept}


def _information(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name in _PAGES:
        address = _text(given, name, callbacks.LONGEST)
        if address and (callbacks.fault(address) or not address.startswith("https://")):
            raise Faulty(f"{name} must be an https address.")
        found[name] = address
    found |= {name: _text(given, name, names.LONGEST_NAME) for name in _WORDS}
    return {name: value for name, value in found.items() if value}


def _contacts(given: Mapping[str, Any]) -> list[str]:
    found = given.get("contacts")
    contacts = [] if found is None else found
    if not isinstance(contacts, list) or len(contacts) > MOST_CONTACTS:
        raise Faulty(f"contacts is a list of at most {MOST_CONTACTS} email addresses.")
    kept = [names.email(one) if isinstance(one, str) else None for one in contacts]
    if not all(kept):
        raise Faulty("contacts holds email addresses.")
    return [one for one in kept if one]


def _in_languages(given: Mapping[str, Any], name: str, longest: int) -> dict[str, str]:
    """Return a text by language; ``client_name#dv`` is the Dhivehi one (RFC 7591 section 2.2)."""
    found = {
        "en": _text(given, name, longest) or _text(given, f"{name}#en", longest),
        "dv": _text(given, f"{name}#dv", longest),
    }
    kept = {code: names.clean(words) for code, words in found.items() if words}
    if not all(any(letter.isalpha() for letter in words) for words in kept.values()):
        raise Faulty(f"{name} must have a letter.")
    if kept and "en" not in kept:
        kept["en"] = kept["dv"]
    return kept


def _texts(
    given: Mapping[str, Any], name: str, known: tuple[str, ...], default: list[str]
) -> list[str]:
    found = given.get(name)
    wanted = default if found is None else found
    if not isinstance(wanted, list) or not wanted or not all(one in known for one in wanted):
        raise Faulty(f"{name} holds one or more of {', '.join(known)}.")
    return list(dict.fromkeys(wanted))


def _one_of(given: Mapping[str, Any], name: str, known: tuple[str, ...], default: str) -> str:
    value = given.get(name)
    chosen = default if value is None else value
    if not isinstance(chosen, str) or chosen not in known:
        raise Faulty(f"{name} must be {' or '.join(known)}.")
    return chosen


def _text(given: Mapping[str, Any], name: str, longest: int, default: str = "") -> str:
    value = given.get(name)
    text = default if value is None else value
    if not isinstance(text, str) or len(text) > longest or not _is_plain(text):
        raise Faulty(f"{name} must be a text of at most {longest} characters on one line.")
    return text


def _is_plain(text: str) -> bool:
    return not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in text)


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise Faulty(f"{name} must be true or false.")
    return bool(value)
