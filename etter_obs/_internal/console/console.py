"""The console of one app: its parts, its answers, its start and its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

from etter_obs._internal.console.endpoint import ConsoleEndpoint
from etter_obs._internal.console.history import History
from etter_obs._internal.console.link import as_url_host, listening_address, print_link
from etter_obs._internal.console.peers import Peers, merged
from etter_obs._internal.console.questions import Questions
from etter_obs._internal.console.readings import MergedReadings
from etter_obs._internal.console.recording import Recording
from etter_obs._internal.console.token_file import shared_token
from etter_obs._internal.conventions import HEALTH_CHECK_UP, Label, Path
from etter_obs._internal.web.access import Access

if TYPE_CHECKING:
    from pathlib import Path as Folder

    from etter_obs._internal.health import Health
    from etter_obs._internal.health.outcome import Summary
    from etter_obs._internal.logs import LogPipeline
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.settings import Settings
    from etter_obs._internal.slo.spec.models import Spec

_LOG: Final = logging.getLogger("etter_obs")


class Console:
    """Shows an app to its developers. It keeps everything in memory and sends nothing.

    Args:
        settings: The settings.
        spec: The SLOs.
        service: Name of the service.
        environment: Name of the environment.
        registry: The metrics.
        logs: The log lines, and the rules that keep secrets out.
        health: The checks. The console is on their management port, if there is one.
        folder: A folder that only this user can enter and that the workers share; None: this
            process is alone.
        slow: Seconds above which a request is slow.
    """

    def __init__(
        self,
        settings: Settings,
        spec: Spec,
        *,
        service: str,
        environment: str,
        registry: MetricsRegistry,
        logs: LogPipeline,
        health: Health,
        folder: Folder | None,
        slow: float,
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._has_own_port = settings.management_port is not None
        self.recording = Recording(settings.n_plus_one_threshold, slow)
        self._logs = logs
        self._history = History(registry, spec)
        about = {
            "service": service,
            "environment": environment,
            "version": settings.service_version,
            "period": float(spec.period),
            "slow_ms": slow * 1e3,
        }
        self._questions = Questions(
            spec, registry, logs.redactor, self.recording, self._history, about
        )
        self._peers = Peers(folder, self._answer)
        self._token = shared_token(folder)
        self._health = health
        self._tasks: set[asyncio.Task[None]] = set()
        answers = {
            "overview": self._overview,
            "health": self._checks,
            "requests": self._listed("requests"),
            "logs": self._listed("logs"),
            "request": self._request,
        }
        self.endpoint = ConsoleEndpoint(Access(self._token), answers)
        """The ASGI app that serves the console."""
        logs.watchers.append(self.recording.line)
        health.serve(Path.CONSOLE, self.endpoint)
        health.serve(f"{Path.CONSOLE}/", self.endpoint)

    def start(self) -> None:
        """Begin, inside the server's event loop."""
        self._history.start()
        self._begin(self._peers.start())

    def say(self) -> None:
        """Print the link, once the server listens."""
        _LOG.info("The console is at %s/; standard error has its link", Path.CONSOLE)
        address = self._management_address if self._has_own_port else listening_address
        self._begin(print_link(Path.CONSOLE, self._token, address=address, folder=self._folder))

    def _management_address(self) -> str | None:
        bound = self._health.management_address
        return None if bound is None else as_url_host(*bound)

    def close(self) -> None:
        """End everything. Any thread may call this."""
        if self.recording.line in self._logs.watchers:
            self._logs.watchers.remove(self.recording.line)
        self._history.stop()
        self._peers.close()

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, question: str, arguments: dict[str, str]) -> bytes:
        """Answer for this worker alone."""
        return await asyncio.to_thread(self._questions.answer, question, arguments)

    async def _overview(self, query: dict[str, str]) -> bytes:
        """Let the oldest worker answer: it has the longest history, and all metrics."""
        after = str(float(query.get("after", "0")))
        alive, overview = await asyncio.gather(
            self._peers.ask("alive"), self._peers.ask_oldest("overview", after=after)
        )
        workers = [{"pid": pid, "answers": bool(answer)} for pid, answer in alive.items()]
        return orjson.dumps(orjson.loads(overview) | {"workers": workers})

    def _listed(self, question: str) -> Callable[[dict[str, str]], Awaitable[bytes]]:
        async def answer(query: dict[str, str]) -> bytes:
            after = float(query.get("after", "0"))
            answers = merged(await self._peers.ask(question, after=str(after)))
            rows = [row for _, each in answers for row in each["rows"]]
            seen = sum(each["seen"] for _, each in answers)
            return orjson.dumps({"rows": rows, "seen": seen, "now": time.time()})

        return answer

    async def _request(self, query: dict[str, str]) -> bytes:
        pid, _, number = query["key"].partition(".")
        answers = await self._peers.ask("request", number=str(int(number)))
        return answers.get(int(pid)) or b"null"

    async def _checks(self, query: dict[str, str]) -> bytes:
        """Return this worker's checks, and whether each passes in all workers."""
        return orjson.dumps(self._described(await self._health.summary()))

    def _described(self, summary: Summary) -> dict[str, Any]:
        up = {
            labels[Label.CHECK]: value
            for labels, value in MergedReadings(self._registry).values(HEALTH_CHECK_UP)
        }
        return {
            "status": summary.status,
            "reason": summary.reason,
            "checks": [
                {
                    "name": name,
                    "critical": self._health.is_critical(name),
                    "healthy": outcome.healthy,
                    "reason": outcome.reason,
                    "ms": outcome.duration * 1e3,
                    "at": outcome.at.timestamp(),
                    "healthy_everywhere": bool(up.get(name, outcome.healthy)),
                }
                for name, outcome in (summary.outcomes or {}).items()
            ],
        }
