"""The consoles of a service's other workers, over Unix sockets that only this user can open.

A question is one line of JSON, an answer is JSON until the end of the connection. Nothing is
written to disk, and a worker whose event loop hangs does not answer, which the page reports.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

_PREFIX: Final = "console-"
_SUFFIX: Final = ".sock"
_TIMEOUT_SECONDS: Final = 1.0
_MOST_BYTES: Final = 32 << 20
_LINE_BYTES: Final = 4_096

_LOG: Final = logging.getLogger("etter_obs.console")

Answer = Callable[[str, dict[str, str]], Awaitable[bytes]]
"""Answers a question (its name and arguments) for this worker alone."""


class Peers:
    """Asks the other workers, and answers them.

    Args:
        folder: A folder that only this user can enter; None: this process is alone.
        answer: Answers a question for this worker.
    """

    def __init__(self, folder: Path | None, answer: Answer) -> None:
        self._folder = folder
        self._answer = answer
        self._server: asyncio.AbstractServer | None = None
        self._own: Path | None = None

    async def start(self) -> None:
        """Answer the other workers from now on."""
        if self._folder is None:
            return
        # The oldest worker sorts first.
        own = self._folder / f"{_PREFIX}{time.time_ns()}-{os.getpid()}{_SUFFIX}"
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(own), limit=_LINE_BYTES)
        except OSError as error:  # the path is too long for a socket
            _LOG.warning("The console shows only one worker: %s", error)
            return
        own.chmod(0o600)
        self._own = own

    def close(self) -> None:
        """Stop answering. Any thread may call this."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(RuntimeError):  # the loop is closed, and with it the socket
                server.get_loop().call_soon_threadsafe(server.close)
        if self._own is not None:
            self._own.unlink(missing_ok=True)
            self._own = None

    async def ask(self, question: str, **arguments: str) -> dict[int, bytes | None]:
        """Ask every worker, this one included; return the answers by process id, oldest first.

        The answer of a worker that is late is None.
        """
        paths = self._paths()
        line = orjson.dumps([question, arguments]) + b"\n"
        if self._own not in paths:
            return {os.getpid(): await self._answer(question, arguments)}
        asked = [
            self._answer(question, arguments) if path == self._own else _ask(path, line)
            for path in paths
        ]
        pids = [int(path.stem.rpartition("-")[2]) for path in paths]
        answers = zip(pids, await asyncio.gather(*asked), strict=True)
        return {pid: answer or None for pid, answer in answers if answer is not None}

    async def ask_oldest(self, question: str, **arguments: str) -> bytes:
        """Return the answer of the oldest worker that answers."""
        line = orjson.dumps([question, arguments]) + b"\n"
        for path in self._paths():
            if path == self._own:
                break
            if answer := await _ask(path, line):
                return answer
        return await self._answer(question, arguments)

    def _paths(self) -> list[Path]:
        """Return the workers' sockets, oldest first."""
        return sorted(self._folder.glob(f"{_PREFIX}*{_SUFFIX}")) if self._folder else []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                question, arguments = orjson.loads(await reader.readline())
                writer.write(await self._answer(question, arguments))
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass
        finally:
            writer.close()


async def _ask(path: Path, line: bytes) -> bytes | None:
    """Return a worker's answer; empty if it is late, None if the worker is gone."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=_MOST_BYTES)
            try:
                writer.write(line)
                return await reader.read(-1)
            finally:
                writer.close()
    except TimeoutError:
        return b""
    except (ConnectionRefusedError, FileNotFoundError):
        _remove(path)
        return None
    except OSError:
        return b""


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def merged(answers: dict[int, bytes | None]) -> list[tuple[int, dict[str, Any]]]:
    """Return the answers that arrived, decoded."""
    return [(pid, orjson.loads(answer)) for pid, answer in answers.items() if answer]
