"""The simulated providers as a real server in a thread, and receipts that a test asks for."""

import asyncio
import base64
import contextlib
import threading
from collections.abc import Iterator

from services.notify import simulated
from services.notify.simulator.server import Simulator
from services.notify.simulator.store import Store
from tests.notify.conftest import DATA_KEY


class Running:
    """A simulator; ``receipts`` are what its providers would report."""

    def __init__(self, simulator: Simulator, store: Store, url: str) -> None:
        self.simulator, self.store, self.url = simulator, store, url

    def behave(self, name: str, mode: str, delay_ms: int = 0) -> None:
        provider = self.simulator.providers[name]
        provider.mode, provider.delay_ms = mode, delay_ms

    def receipts(self) -> Iterator[tuple[str, list[dict[str, str]]]]:
        while found := self.store.waiting(100):
            provider, rows = found
            self.store.done([id_ for id_, _ in rows])
            yield provider, [receipt for _, receipt in rows]

    def taken(self) -> dict[str, int]:
        return {name: each.taken for name, each in self.simulator.providers.items()}


def key() -> str:
    return simulated.key(base64.urlsafe_b64decode(DATA_KEY + "="))


@contextlib.contextmanager
def running() -> Iterator[Running]:
    store = Store(":memory:")
    simulator = Simulator([name for name, _ in simulated.NAMES], key(), store, lambda: None)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(simulator.serve("127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end() -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield Running(simulator, store, f"http://127.0.0.1:{port}")
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        store.close()
