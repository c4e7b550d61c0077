"""A developer's own calls: those of the programs that identity says are theirs, and no other."""

from collections.abc import Sequence
from typing import Any

from services.portal.answers import members, text
from services.portal.apps_client import App
from services.portal.domain import repeat
from services.portal.domain.exchange import Exchange
from services.portal.exchanges_client import ExchangesClient

MOST_APPS, SHOWN = 10, 50  # one question to the log for each program


def read(
    log: ExchangesClient, apps: Sequence[App], *, service: str, outcome: str
) -> list[Exchange]:
    """Return the latest calls of these programs, the newest first.

    The overview holds no persons; whatever it answers, only calls of these programs are kept.
    """
    found: list[Exchange] = []
    for app in apps[:MOST_APPS]:
        page = log.latest(caller=app.id, service=service, outcome=outcome)
        found += [one for one in page.exchanges or [] if one.caller == app.id]
    return sorted(found, key=lambda one: one.number, reverse=True)[:SHOWN]


def find(
    log: ExchangesClient, apps: Sequence[App], exchange: str, trace: str
) -> tuple[Exchange, dict[str, Any]] | None:
    """Return one call of these programs and the gateway's own entry of it."""
    found = log.record(exchange, trace)
    if found is None or found[0].caller not in {app.id for app in apps}:
        return None
    return found[0], dict(found[1])


def to_repeat(raw: dict[str, Any], public_url: str) -> tuple[str, str]:
    """Return the lines that get a token and send the call again."""
    parameters = {name: text(value) for name, value in members(raw.get("parameters")).items()}
    purpose, personal = members(raw.get("purpose")).get("code"), raw.get("personal")
    client, service = text(members(raw.get("caller")).get("client_id")), text(raw.get("service"))
    call = repeat.curl(
        public_url,
        text(raw.get("method")),
        text(raw.get("route")),
        parameters,
        token=True,
        purpose=text(purpose) if personal and purpose else None,
        basis=text(raw.get("basis")),
    )
    return repeat.token_line(public_url, client, service), call
