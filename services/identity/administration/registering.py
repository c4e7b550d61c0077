"""Registering, changing and removing clients (RFC 7591 and 7592)."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import jwt
from sqlalchemy.orm import Session

from servicekit import guarded
from servicekit.problems import Conflict, TooManyRequests
from services.identity.administration.actors import Actor, note
from services.identity.administration.errors import MetadataRefused, metadata_refused
from services.identity.administration.metadata import registered
from services.identity.domain import catalogue, registration
from services.identity.domain.digests import fingerprint
from services.identity.domain.registration import Faulty, Proposal
from services.identity.parts import Parts
from services.identity.protocol import assertions, client_keys
from services.identity.storage import people, registrations
from services.identity.storage.tables import Client

BY_SECRET = ("client_secret_basic", "client_secret_post")
MOST_AN_HOUR = 30
LONGEST_OVERLAP_S = 7 * 24 * 3600
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_KEY_KINDS = {"EC": "ES256", "OKP": "EdDSA", "RSA": "RS256"}
# what decides who gets codes and who may ask for tokens
_TRUSTED = ("redirect_uris", "auth_method", "jwks", "jwks_uri", "profile", "application_type")


@dataclass(frozen=True)
class Result:
    """A client, and the secret that is shown this once."""

    client: Client
    secret: str | None = None


def register(
    parts: Parts, session: Session, metadata: Mapping[str, Any], actor: Actor, why: str = ""
) -> Result:
    """Register a client: in the sandbox at once, live when somebody else has said yes.

    A person's client begins with what nobody needs to approve; the rest waits, too.
    """
    proposal, chosen = _read(parts, metadata), _chosen_id(session, metadata, actor)
    owner = actor.sub or _owner_named(session, metadata)
    now = parts.clock.now()
    if actor.sub is not None:
        _check_number(parts, session, actor.sub, now)
    client_id = chosen or "app-" + "".join(secrets.choice(_LETTERS) for _ in range(12))
    proposal = replace(proposal, name=proposal.name or {"en": client_id})
    _check_name(session, proposal, actor, owner)
    part = proposal
    if actor.person is not None and not proposal.live:
        part = registration.at_once(proposal, frozenset(), frozenset())
    secret = _new_secret(part.auth_method)
    client = Client(
        client_id=client_id,
        owner=owner,
        created_at=now,
        status="pending" if proposal.live else "sandbox",
        secret_hash=fingerprint(secret) if secret else None,
        **_columns(part),
    )
    registrations.add(session, client)
    note(session, actor, "client-registered", client, now, status=client.status)
    if proposal.live or part != proposal:
        _ask(session, client, proposal, actor, why, now)
    return Result(client, secret)


def change(
    parts: Parts,
    session: Session,
    client: Client,
    metadata: Mapping[str, Any],
    actor: Actor,
    why: str = "",
) -> Result:
    """Replace a client's metadata (RFC 7592 section 2.2).

    What a person approved is not changed behind that person's back: it waits for a word again.
    """
    if metadata.get("client_id", client.client_id) != client.client_id:
        raise metadata_refused("client_id is not the one in the address; it cannot be changed.")
    if client.status == "disabled":
        raise Conflict("This program was disabled; nothing of it can be changed.")
    proposal = _read(parts, metadata)
    proposal = replace(proposal, name=proposal.name or client.name)
    _check_name(session, proposal, actor, client.owner)
    now = parts.clock.now()
    part = None if client.status == "live" else _part(client, proposal, actor)
    if part is not None:
        secret = _apply(session, client, _columns(part), "pending" if part.live else "sandbox")
        note(session, actor, "client-changed", client, now)
        if part.live or part != proposal:
            _ask(session, client, proposal, actor, why, now)
        else:
            registrations.end_waiting(session, client.client_id)
        return Result(client, secret)
    if _differs(client, proposal):
        _ask(session, client, proposal, actor, why, now)
    return Result(client)


def ask_to_go_live(
    parts: Parts, session: Session, client: Client, actor: Actor, why: str
) -> Result:
    """Let a sandbox client wait for somebody's word that it may serve real people."""
    if client.status != "sandbox":
        raise Conflict(f"This program is {client.status} already.")
    proposal = _read(parts, registered(client) | {"environment": "live"})
    _ask(session, client, proposal, actor, why, parts.clock.now())
    return Result(client)


def take_over(session: Session, client: Client, wants: Mapping[str, Any]) -> None:
    """Make a client what was approved."""
    columns = {name: value for name, value in wants.items() if name != "status"}
    _apply(session, client, columns, str(wants["status"]))


def rotate_secret(
    parts: Parts, session: Session, client: Client, actor: Actor, overlap_s: int
) -> Result:
    """Give a client a new secret; the former one goes on for so many seconds."""
    if client.auth_method not in BY_SECRET:
        raise Conflict(f"This program proves itself by {client.auth_method} and has no secret.")
    now, secret = parts.clock.now(), secrets.token_urlsafe(32)
    overlap = timedelta(seconds=overlap_s)
    registrations.replace_secret(session, client, fingerprint(secret), now, overlap)
    note(session, actor, "client-secret-rotated", client, now, overlap_s=overlap_s)
    return Result(client, secret)


def remove(
    parts: Parts, session: Session, client: Client, actor: Actor, reason: str | None = None
) -> None:
    """End a client; every token that it holds is worth nothing within two seconds."""
    note(session, actor, "client-removed", client, parts.clock.now(), reason=reason)
    registrations.remove(session, client)


def _read(parts: Parts, metadata: Mapping[str, Any]) -> Proposal:
    try:
        proposal = registration.read(metadata)
    except Faulty as fault:
        raise MetadataRefused(fault) from None
    for name, address in (
        ("jwks_uri", proposal.jwks_uri),
        ("backchannel_logout_uri", proposal.backchannel_logout_uri),
    ):
        if address is None:
            continue
        try:
            guarded.check_address(address, parts.settings.callback_test_hosts)
        except guarded.AddressRefused as refused:
            raise metadata_refused(f"{name} cannot be called: {refused}") from None
    if proposal.jwks is None:
        return proposal
    keys = [key for key in proposal.jwks["keys"] if key.get("use", "sig") == "sig"]
    if not keys or not all(_is_key(key) for key in keys):
        raise metadata_refused("A key of jwks is not P-256, Ed25519 or RSA of 2048 bits or more.")
    return replace(proposal, jwks={"keys": keys})


def _is_key(key: Mapping[str, Any]) -> bool:
    if not client_keys.usable({"keys": [key]}):
        return False
    if key.get("alg", "ES256") not in assertions.ALGORITHMS:
        return False
    try:
        jwt.PyJWK(dict(key), _KEY_KINDS[key["kty"]])
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return False
    return True


def _chosen_id(session: Session, metadata: Mapping[str, Any], actor: Actor) -> str | None:
    try:
        chosen = registration.chosen_id(metadata)
    except Faulty as fault:
        raise MetadataRefused(fault) from None
    if chosen is not None and not actor.is_operator:
        raise metadata_refused("Only the operator chooses a client_id; leave it out.")
    if chosen is not None and registrations.is_taken(session, chosen):
        raise metadata_refused("This client_id is taken, or was once; choose another.")
    return chosen


def _owner_named(session: Session, metadata: Mapping[str, Any]) -> str | None:
    username = metadata.get("owner")
    if username is None:
        return None
    person = people.by_username(session, username) if isinstance(username, str) else None
    if person is None:
        raise metadata_refused("owner must be the user name of a person.")
    return person.sub


def _check_number(parts: Parts, session: Session, owner: str, now: datetime) -> None:
    registrations.lock_owner(session, owner)
    most = parts.settings.clients_per_person
    if registrations.count_of(session, owner) >= most:
        raise Conflict(f"You have {most} programs, as many as one person may. Remove one first.")
    if registrations.count_made(session, owner, now - timedelta(hours=1)) >= MOST_AN_HOUR:
        raise TooManyRequests(
            "You made many programs within an hour. Try again later.",
            headers={"Retry-After": "600"},
        )


def _check_name(session: Session, proposal: Proposal, actor: Actor, owner: str | None) -> None:
    """Refuse a name that would let people take one service for another."""
    if actor.is_operator:
        return
    others = registrations.names_of_others(session, owner)
    if others & {words.casefold() for words in proposal.name.values()}:
        raise metadata_refused("A live service has this name; choose another.")


def _part(client: Client, proposal: Proposal, actor: Actor) -> Proposal | None:
    """Return what becomes true at once of a client that is not live; None: nothing of it."""
    if actor.is_operator or (proposal.live and client.status == "pending"):
        return proposal if client.status == "pending" or not proposal.live else None
    has = {*client.scopes, *client.person_scopes}
    approved = has - set(catalogue.at_once(has))
    grants = registration.APPROVED_GRANTS & set(client.grant_types)
    if client.status == "pending":  # nobody has approved anything of it yet
        approved, grants = set(), frozenset()
    part = registration.at_once(
        replace(proposal, live=False), frozenset(approved), frozenset(grants)
    )
    columns = _columns(part)
    moved = any(columns[name] != getattr(client, name) for name in _TRUSTED)
    return None if (approved or grants) and moved else part


def _differs(client: Client, proposal: Proposal) -> bool:
    columns = _columns(proposal)
    same = all(columns[name] == getattr(client, name) for name in columns)
    return not same or proposal.live != (client.status == "live")


def _ask(
    session: Session, client: Client, proposal: Proposal, actor: Actor, why: str, now: datetime
) -> None:
    wants = _columns(proposal) | {"status": "live" if proposal.live else "sandbox"}
    registrations.ask(session, client, wants, why, actor.sub, now)
    note(session, actor, "client-approval-asked", client, now, wants=wants["status"])


def _apply(session: Session, client: Client, columns: Mapping[str, Any], status: str) -> str | None:
    """Give a client its columns; return a secret where it needs its first one."""
    by_secret = columns["auth_method"] in BY_SECRET
    secret = _new_secret(columns["auth_method"]) if not client.secret_hash else None
    stored = fingerprint(secret) if secret else client.secret_hash
    more: dict[str, Any] = {"status": status, "secret_hash": stored if by_secret else None}
    if not by_secret:
        more |= {"former_secret_hash": None, "former_secret_until": None}
    if status != "sandbox":
        more["faults"] = {}
    registrations.change(session, client, {**columns, **more})
    return secret


def _columns(proposal: Proposal) -> dict[str, Any]:
    columns = asdict(proposal)
    del columns["live"]
    return columns


def _new_secret(auth_method: str) -> str | None:
    return secrets.token_urlsafe(32) if auth_method in BY_SECRET else None
