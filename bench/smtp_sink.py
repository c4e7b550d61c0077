"""A mail server that takes everything and keeps nothing: ``python -m bench.smtp_sink PORT``."""

import asyncio
import sys

_OK = b"250 OK\r\n"


class Sink(asyncio.Protocol):
    """Just enough SMTP (RFC 5321) with PIPELINING (RFC 2920)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._out, self._buffer, self._is_data = transport, b"", False
        self._out.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every whole line, and every whole email."""
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._is_data else b"\r\n"
            found, mark, rest = self._buffer.partition(end)
            if not mark:
                return
            self._buffer = rest
            if self._is_data:
                self._is_data = False
                self._out.write(_OK)
            else:
                self._answer(found[:4].upper())

    def _answer(self, verb: bytes) -> None:
        if verb == b"EHLO":
            self._out.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif verb == b"DATA":
            self._is_data = True
            self._out.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._out.write(b"221 bye\r\n")
            self._out.close()
        else:
            self._out.write(_OK)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
