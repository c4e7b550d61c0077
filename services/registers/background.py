"""What the service does beside answering: take back abandoned loads, deliver to subscribers."""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from servicekit.clock import Clock
from servicekit.database import Database
from services.registers.courier import Courier
from services.registers.settings import Settings
from services.registers.storage import abandoned
from services.registers.vault import Vault

logger = logging.getLogger("registers")


def start(settings: Settings, database: Database, clock: Clock) -> None:
    """Begin, in threads that end with the process."""
    threading.Thread(target=_discard, args=(database,), name="abandoned", daemon=True).start()
    if settings.log_key is not None:
        courier = Courier(database, Vault(settings.log_key), clock, settings.callback_test_hosts)
        stop = threading.Event()
        threading.Thread(target=courier.run, args=(stop,), name="courier", daemon=True).start()


def _discard(database: Database) -> None:
    try:
        abandoned.discard_all(database)
    except SQLAlchemyError as error:  # the next load or start does it
        logger.warning("abandoned loads are still there", extra={"error": repr(error)})
