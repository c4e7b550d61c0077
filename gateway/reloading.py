"""The route table as a file that may change: checked, then swapped at once, or refused."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from gateway.routing import RouteTable, load_routes

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
GATEWAY = "gateway"


class RoutesFile:
    """Holds the table of a file, and follows the file: every worker does so by itself.

    services: what a route may lead to. folder: where the last good file is kept for a worker that
    starts while the file is faulty; None without one.
    """

    def __init__(self, path: Path, services: Iterable[str], folder: Path | None) -> None:
        self._path, self._services = path, {*services, GATEWAY}
        self._good = folder / "routes.yaml" if folder else None
        self.fault: str | None = None
        self._seen = self._look()
        self.table = self._first()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look at the file every second."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def reload(self) -> str | None:
        """Read the file again; return why it is refused, in which case the old table stays."""
        self._seen = self._look()
        try:
            table = await asyncio.to_thread(self._read, self._path)
        except (ValueError, OSError) as fault:
            self.fault = str(fault)
            logger.error("the routes are faulty; the old ones stay", extra={"error": self.fault})
            return self.fault
        self.table.adopt(table)
        self.fault = None
        logger.info("routes reloaded", extra={"count": len(table.routes)})
        return None

    def _first(self) -> RouteTable:
        try:
            return self._read(self._path)
        except (ValueError, OSError) as fault:
            if self._good is None or not self._good.is_file():
                raise
            self.fault = str(fault)
            logger.error("the routes are faulty; the last good ones serve: %s", fault)
            return load_routes(self._good)

    def _read(self, path: Path) -> RouteTable:
        table = load_routes(path)
        if not table.routes:
            raise ValueError(f"{path.name} has no routes")
        for route in table.routes:
            if route.service not in self._services:
                raise ValueError(f"{route.path}: no service is called {route.service}")
        if self._good is not None:
            with contextlib.suppress(OSError):
                fresh = self._good.with_suffix(".new")
                shutil.copyfile(path, fresh)
                fresh.replace(self._good)
        return table

    def _look(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0)
        return found.st_mtime_ns, found.st_size

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._look() != self._seen:
                await self.reload()
