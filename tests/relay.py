"""A TCP relay that counts what passes: how large a request is on the wire, whatever is in it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Relay:
    """The address, and the bytes that clients have sent so far."""

    address: str
    sent: int = 0


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Relay connections to ``target`` (host:port)."""
    host, _, port = target.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    counted = Relay(f"127.0.0.1:{listener.getsockname()[1]}")
    sockets = [listener]

    def pump(source: socket.socket, sink: socket.socket, *, counts: bool) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                if counts:
                    counted.sent += len(part)
                sink.sendall(part)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection((host, int(port)))
                sockets.extend((client, server))
                for source, sink in ((client, server), (server, client)):
                    about = {"counts": source is client}
                    threading.Thread(
                        target=pump, args=(source, sink), kwargs=about, daemon=True
                    ).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield counted
    finally:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
