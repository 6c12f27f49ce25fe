"""A TCP relay that counts what passes, and can be cut as a network is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


def _open() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Relay:
    """The address, and the bytes that clients have sent so far."""

    address: str
    sent: int = 0
    _passes: threading.Event = field(default_factory=_open)
    _connections: list[socket.socket] = field(default_factory=list)

    def cut(self) -> None:
        """Pass nothing from now on, in either direction; no one is told."""
        self._passes.clear()

    def heal(self, *, forgotten: bool = False) -> None:
        """Pass everything again; what was sent meanwhile arrives late, as TCP repeats it.

        With ``forgotten`` it never arrives: the connections of before are reset, as by a firewall
        that has lost its table.
        """
        if forgotten:
            self.close()
        self._passes.set()

    def close(self) -> None:
        """Reset every connection."""
        for each in self._connections:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._connections.clear()

    def _pump(self, source: socket.socket, sink: socket.socket, *, counts: bool) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                self._passes.wait()
                if counts:
                    self.sent += len(part)
                sink.sendall(part)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _join(self, client: socket.socket, host: str, port: int) -> None:
        self._connections.append(client)
        self._passes.wait()
        try:
            server = socket.create_connection((host, port))
        except OSError:
            client.close()
            return
        self._connections.append(server)
        for source, sink in ((client, server), (server, client)):
            about = {"counts": source is client}
            threading.Thread(
                target=self._pump, args=(source, sink), kwargs=about, daemon=True
            ).start()


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Relay connections to ``target`` (host:port)."""
    host, _, port = target.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    made = Relay(f"127.0.0.1:{listener.getsockname()[1]}")

    def accept() -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                threading.Thread(
                    target=made._join, args=(client, host, int(port)), daemon=True
                ).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield made
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        made.heal(forgotten=True)
