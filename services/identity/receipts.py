"""Receipts: what a person agreed to, as a document that identity signs and anybody can check."""

from collections.abc import Sequence
from typing import Any

from servicekit.clock import timestamp
from services.identity import words
from services.identity.domain.agreements import state
from services.identity.parts import Parts
from services.identity.protocol.tokens import subject_for
from services.identity.storage.consent_tables import AgreementVersion
from services.identity.storage.tables import Agreement, Client

TYPE = "consent-receipt+jwt"  # no verifier of tokens takes it for one


def receipt(
    parts: Parts, agreement: Agreement, versions: Sequence[AgreementVersion], client: Client
) -> dict[str, Any]:
    """Return the receipt of an agreement as it stands now, with every version that it had.

    The person is named as the service knows them, so that a receipt can be shown to it and tells
    nobody else who they are.
    """
    withdrawn_at = agreement.withdrawn_at
    return {
        "iss": parts.settings.issuer,
        "iat": int(parts.clock.now().timestamp()),
        "agreement": agreement.id,
        "version": agreement.version,
        "state": str(state(agreement, parts.clock.now())),
        "sub": subject_for(parts, client, agreement.subject),
        "client_id": client.client_id,
        "client_name": client.name,
        "purpose": {"code": agreement.purpose, **words.purpose(agreement.purpose)},
        "items": [{"item": item, **words.item(item)} for item in agreement.items],
        "given_at": timestamp(agreement.given_at),
        "until": timestamp(agreement.until),
        "withdrawn_at": timestamp(withdrawn_at) if withdrawn_at else None,
        "versions": [
            {
                "version": one.version,
                "at": timestamp(one.at),
                "change": one.change,
                "items": one.items,
                "until": timestamp(one.until),
            }
            for one in versions
        ],
    }


def signed(parts: Parts, document: dict[str, Any]) -> str:
    """Return the receipt as a JSON Web Signature by the key that signs tokens now (RFC 7515)."""
    return parts.keys.sign(document, TYPE)
