"""Answers on ``::1`` too: Granian binds one address, and browsers try IPv6 loopback first."""

import asyncio
import contextlib
import logging

logger = logging.getLogger(__name__)
PIECE_BYTES = 64 * 1024


class Ipv6Loopback:
    """Relays connections from ``[::1]:port`` to ``127.0.0.1:port``, byte for byte."""

    def __init__(self, port: int | None, *, target_port: int | None = None) -> None:
        self._port, self._target_port = port, target_port or port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, in every worker on the same port; a machine without IPv6 goes on without."""
        if self._port is None:
            return
        try:
            self._server = await asyncio.start_server(
                self._relay, "::1", self._port, reuse_port=True
            )
        except OSError as error:
            logger.info("not listening on IPv6 loopback", extra={"error": str(error)})

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, onward[1]), _pump(onward[0], writer))
        finally:
            writer.close()
            onward[1].close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()
    # an end in one direction ends that direction only, unless the other side is gone too
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
