"""Telling clients that a person signed out (OpenID Connect Back-Channel Logout 1.0)."""

import secrets
from collections.abc import Callable
from urllib.parse import urlencode

from servicekit import guarded
from services.identity.parts import Parts
from services.identity.protocol.tokens import subject_for
from services.identity.storage import clients, sign_outs
from services.identity.storage.protocol_tables import LogoutDelivery
from services.identity.storage.tables import Client

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFE_S = 120
ACCEPTED = (200, 204)

Send = Callable[[str, bytes], int]


def logout_token(parts: Parts, client: Client, delivery: LogoutDelivery) -> str:
    """Sign a logout token (section 2.4): who has signed out, for this client alone."""
    now = int(parts.clock.now().timestamp())
    claims = {
        "iss": parts.settings.issuer,
        "sub": subject_for(parts, client, delivery.sub),
        "aud": client.client_id,
        "iat": now,
        "exp": now + LIFE_S,
        "jti": secrets.token_urlsafe(16),
        "events": {EVENT: {}},
        "sid": delivery.sid,
    }
    return parts.keys.sign(claims, "logout+jwt", client.id_token_alg)


def deliver_due(parts: Parts, send: Send | None = None) -> int:
    """Try what is due now; return how many were tried. Safe in several processes at once."""
    now = parts.clock.now()
    with parts.database.snapshot() as session:
        if not sign_outs.is_any_due(session, now):
            return 0
    with parts.database.transaction() as session:
        taken = sign_outs.take_due(session, now)
    for delivery in taken:
        delivered, answer = _deliver(parts, delivery, send or _sender(parts))
        with parts.database.transaction() as session:
            sign_outs.note(
                session, delivery, delivered=delivered, answer=answer, now=parts.clock.now()
            )
    return len(taken)


def _deliver(parts: Parts, delivery: LogoutDelivery, send: Send) -> tuple[bool, str]:
    with parts.database.snapshot() as session:
        client = clients.find(session, delivery.client_id)
    if client is None or client.backchannel_logout_uri is None:
        return False, "The client no longer has an address for this."
    form = urlencode({"logout_token": logout_token(parts, client, delivery)})
    try:
        status = send(client.backchannel_logout_uri, form.encode())
    except (guarded.AddressRefused, guarded.NotReached) as error:
        return False, str(error)
    return status in ACCEPTED, str(status)


def _sender(parts: Parts) -> Send:
    def send(address: str, form: bytes) -> int:
        return guarded.fetch(
            address,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=form,
            test_hosts=parts.settings.callback_test_hosts,
            limit_bytes=16 * 1024,
        ).status

    return send
