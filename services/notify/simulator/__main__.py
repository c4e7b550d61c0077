"""``python -m services.notify.simulator --port N``: text providers for the demonstration."""

import argparse
import asyncio
import os
import signal
import sys

from servicekit import log, processes
from servicekit.settings import SettingsError, load
from services.notify import simulated
from services.notify.settings import Settings
from services.notify.simulator.reports import Reports
from services.notify.simulator.server import Simulator
from services.notify.simulator.store import Store

EXIT_SETTINGS = 78


async def run(settings: Settings, host: str, port: int, file: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    token, store = simulated.key(settings.raw_data_key() or b""), Store(file)
    reports = Reports(store, settings.gateway_url, token)
    names = [name for name, _ in simulated.NAMES]
    simulator = Simulator(names, token, store, reports.wake)
    server = await simulator.serve(host, port)
    reports.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()
    reports.close()
    store.close()


def main() -> None:
    """Read the settings of notify and run; exit 78 when they are wrong."""
    parser = argparse.ArgumentParser(prog="services.notify.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", default=":memory:", help="file that survives a kill")
    options = parser.parse_args()
    log.configure("notify-simulator")
    if os.environ.get("ATOLL_SUPERVISED"):
        processes.end_with_parent(signal.SIGTERM)
    try:
        settings = load(Settings, "NOTIFY")
        if not settings.is_loopback:
            raise SettingsError("The simulator is for demonstrations: ATOLL_PUBLIC_URL is public.")
    except SettingsError as error:
        print(f"the simulator cannot start:\n{error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_SETTINGS)
    asyncio.run(run(settings, options.host, options.port, options.store))


if __name__ == "__main__":
    main()
