"""What the portal's views work with, made once for each application."""

from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from flask import current_app

from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.outbound import Corridor
from servicekit.tokens import KeySource
from services.portal.directory_client import DirectoryClient, Levers
from services.portal.domain.journey import JOURNEYS
from services.portal.exchanges_client import ExchangesClient
from services.portal.hooks import Hooks
from services.portal.id_token import IdTokens
from services.portal.identity_client import IdentityClient
from services.portal.notify_client import NotifyClient
from services.portal.program import ExampleProgram
from services.portal.registers_client import RegistersClient
from services.portal.sessions import Sessions
from services.portal.settings import Settings
from services.portal.trier import Trier
from services.portal.vault import Vault

_CONTENT = Path(__file__).parent / "content"


class Components:
    """The portal's clients, sessions and written content."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        corridor: Corridor,
        keys: KeySource,
        clock: Clock,
    ) -> None:
        self.settings, self.corridor, self.clock = settings, corridor, clock
        self.keys = keys
        self.registers = RegistersClient(corridor)
        self.exchanges = ExchangesClient(corridor)
        self.notify = NotifyClient(corridor)
        self.directory = DirectoryClient(corridor)
        self.levers = Levers(corridor) if settings.start_state else None
        vault = Vault(settings.data_key_bytes)
        self.hooks = Hooks(database, vault, clock) if settings.start_state else None
        self.sessions = Sessions(
            database,
            vault,
            IdentityClient(
                corridor, settings.client_id, settings.client_secret, settings.redirect_uri
            ),
            IdTokens(keys, settings.issuer, settings.client_id, clock),
            clock,
            issuer=settings.issuer,
            client_id=settings.client_id,
            redirect_uri=settings.redirect_uri,
        )
        self.journeys = {
            name: ExampleProgram(
                Path(settings.examples) / journey.file,
                credentials,
                gateway=settings.gateway_url,
                issuer=settings.issuer,
            )
            for name, journey in JOURNEYS.items()
            if (credentials := settings.program(journey.program)) is not None
        }
        self.sandbox_scopes, self.trier = _trier(settings, corridor)
        self.problems: dict[str, Any] = _read("problems.yaml")
        self.apis: dict[str, Any] = _read("apis.yaml")
        self.conventions: dict[str, Any] = _read("conventions.yaml")
        self.libraries: dict[str, Any] = _read("libraries.yaml")
        self.changes: dict[str, Any] = _read("changelog.yaml")


def _trier(settings: Settings, corridor: Corridor) -> tuple[tuple[str, ...], Trier | None]:
    """Return what tries operations for visitors; nothing does outside a demonstration."""
    given = settings.program("sandbox")
    if not given or not given.get("clients"):
        return (), None
    [client] = given["clients"]
    own = corridor.as_client(client["client_id"], client["client_secret"])
    keys = ((settings.program("fisheries") or {}).get("notify") or {}).get("api_keys") or {}
    return tuple(client["scopes"]), Trier(corridor, own, keys.get("test"))


@cache
def _read(name: str) -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((_CONTENT / name).read_text(encoding="utf-8")))


def components() -> Components:
    """Return the components of the application that answers the present request."""
    return cast(Components, current_app.extensions["portal"])
