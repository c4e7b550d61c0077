"""The providers that the settings ask for."""

from servicekit.clock import Clock
from servicekit.database import Database
from services.notify import simulated
from services.notify.providers import Pool, Provider, Providers
from services.notify.providers.local import Inbox, Simulation
from services.notify.providers.post import Post
from services.notify.settings import Settings


def make_providers(settings: Settings, database: Database, clock: Clock) -> Providers:
    """Return the carriers that the settings ask for."""
    mail: Provider | None = None
    if settings.smtp_host is not None:
        from services.notify.providers.smtp import MailServer  # its libraries cost 6 MB

        mail = MailServer(settings)
    inbox = Inbox(database, clock)
    texts = _texts(settings, clock)
    return Providers(inbox, Simulation(), mail, Post(database, clock, inbox), texts)


def _texts(settings: Settings, clock: Clock) -> Pool | None:
    """Return the providers of texts: the declared ones, or those of the demonstration."""
    declared = settings.text_providers()
    if not declared and settings.simulator_url is not None:
        key = simulated.key(settings.raw_data_key() or b"")
        declared = simulated.providers(settings.simulator_url, key)
    if not declared:
        return None
    from services.notify.providers.texts import HttpTexts

    return Pool([(HttpTexts(p.name, p.url, p.token), p.weight) for p in declared], clock)
