"""The management port: detailed health and metrics on a port apart from the app's.

A small HTTP/1.1 server runs on the app's own event loop, so that a blocked loop shows here too. It
answers GET and HEAD, one request per connection. The first of several workers to bind the port
serves it; the others wait and take over when that worker ends. The metrics cover all workers; the
checks are those of the worker that answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Scope

_LOG: Final = logging.getLogger("etter_obs.health")
_RETRY_INTERVAL: Final = 2.0
_MAX_HEAD_BYTES: Final = 16_384
_HEAD_TIMEOUT: Final = 5.0
_RESPONSE_TIMEOUT: Final = 30.0
_MAX_CONNECTIONS: Final = 64


class ManagementServer:
    """Serves ``endpoints`` (path → ASGI app) from ``start()`` to ``close()``.

    Args:
        host: the address to bind.
        port: the port to bind; 0 lets the operating system choose.
        endpoints: path → ASGI app. A path that ends in a slash covers all paths below it.
    """

    def __init__(self, host: str, port: int, endpoints: Mapping[str, ASGIApp]) -> None:
        self._host = host
        self._port = port
        self._endpoints = endpoints
        self._task: asyncio.Task[None] | None = None
        self._connections = 0
        self.address: tuple[str, int] | None = None
        """Host and port that are bound; None until the port is open."""

    def start(self) -> None:
        """Serve on the running loop; retry a port in use until it is free."""
        if self._task is None:
            self._task = asyncio.create_task(self._serve())

    def close(self) -> None:
        """Stop serving. Any thread may call this, more than once."""
        task, self._task = self._task, None
        if task is not None:
            with suppress(RuntimeError):  # the loop is closed, so the port is closed too
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def _serve(self) -> None:
        told = False
        while True:
            try:
                server = await asyncio.start_server(
                    self._connected, self._host, self._port, limit=_MAX_HEAD_BYTES
                )
            except OSError as error:
                if not told:
                    _LOG.info(
                        "management port %s:%d cannot be opened (%s); waiting until it is free",
                        self._host,
                        self._port,
                        error.strerror or type(error).__name__,
                    )
                    told = True
                await asyncio.sleep(_RETRY_INTERVAL)
                continue
            host, port = self.address = server.sockets[0].getsockname()[:2]
            _LOG.info("management port open on %s:%d", host, port)
            await server.serve_forever()  # closes the server when cancelled

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections > _MAX_CONNECTIONS:
                writer.write(_plain(HTTPStatus.SERVICE_UNAVAILABLE))
            else:
                async with asyncio.timeout(_HEAD_TIMEOUT):
                    head = await reader.readuntil(b"\r\n\r\n")
                async with asyncio.timeout(_RESPONSE_TIMEOUT):
                    await self._answer(head, writer)
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # the client sends nothing, too much, or reads nothing
        except Exception:  # noqa: BLE001  # an endpoint's bug must not reach the app's loop
            _LOG.exception("the management port failed to answer a request")
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        scope = _scope(head, writer.get_extra_info("peername"))
        if scope is None:
            writer.write(_plain(HTTPStatus.BAD_REQUEST))
            return
        path = scope["path"]
        endpoint = self._endpoints.get(path) or self._endpoints.get(folder_of(path))
        if endpoint is None:
            writer.write(_plain(HTTPStatus.NOT_FOUND))
            return

        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.get_running_loop().create_future()  # until the timeout
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                writer.write(_head(message["status"], message.get("headers", ())))
            elif scope["method"] != "HEAD":
                writer.write(message.get("body", b""))
                await writer.drain()

        await endpoint(scope, receive, send)


def folder_of(path: str) -> str:
    """Return the first segment of a path with its slashes: a key that covers all paths below it."""
    return path[: path.find("/", 1) + 1]


def _scope(head: bytes, peer: tuple[str, int] | None) -> Scope | None:
    """Return the ASGI scope of a request's head; None if it is not HTTP/1."""
    first, *lines = head[:-4].split(b"\r\n")
    try:
        method, target, version = first.decode("ascii").split(" ")
        headers = [
            (name.strip().lower(), value.strip())
            for name, value in (line.split(b":", 1) for line in lines)
        ]
    except ValueError:
        return None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        return None
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": version.removeprefix("HTTP/"),
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": peer[:2] if peer else None,
        "server": None,
    }


def _head(status: int, headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]  # type: ignore[attr-defined]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])


def _plain(status: HTTPStatus) -> bytes:
    body = f"{status.phrase}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    return _head(status, headers) + body
