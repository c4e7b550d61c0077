"""What the service does beside answering: take back loads, deliver, write words to search by."""

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from servicekit.clock import Clock
from servicekit.database import Database
from services.registers.courier import Courier
from services.registers.settings import Settings
from services.registers.storage import abandoned, searching
from services.registers.vault import Vault

logger = logging.getLogger("registers")
LOOK_S, REST_S = 2.0, 0.2


def start(settings: Settings, database: Database, clock: Clock) -> None:
    """Begin, in threads that end with the process."""
    threading.Thread(target=_discard, args=(database,), name="abandoned", daemon=True).start()
    threading.Thread(target=_index, args=(database,), name="search", daemon=True).start()
    if settings.log_key is not None:
        courier = Courier(database, Vault(settings.log_key), clock, settings.callback_test_hosts)
        stop = threading.Event()
        threading.Thread(target=courier.run, args=(stop,), name="courier", daemon=True).start()


def _discard(database: Database) -> None:
    try:
        abandoned.discard_all(database)
    except SQLAlchemyError as error:  # the next load or start does it
        logger.warning("abandoned loads are still there", extra={"error": repr(error)})


def _index(database: Database) -> None:
    """Write the words of registers that were searched and have grown since."""
    while True:
        try:
            with database.snapshot() as session:
                behind = searching.behind(session)
            for register in behind:
                searching.catch_up(database, register, searching.AT_ONCE)
        except SQLAlchemyError as error:  # the next round or search does it
            logger.warning("words to search by are not written", extra={"error": repr(error)})
            behind = []
        time.sleep(REST_S if behind else LOOK_S)
