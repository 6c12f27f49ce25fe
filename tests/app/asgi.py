"""Talks ASGI to an app, as a server would: each request in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

from etter_obs import Observability, Settings, setup_observability

Headers = Sequence[tuple[bytes, bytes]]
Message = dict[str, Any]


@dataclass
class Answer:
    """What an app sent, and the exception that left it."""

    messages: list[Message] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def status(self) -> int:
        """The status, 0 where no response started."""
        starts = [m["status"] for m in self.messages if m["type"] == "http.response.start"]
        return starts[0] if starts else 0

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(m.get("body", b"") for m in self.messages)

    def header(self, name: str) -> list[str]:
        """Every value of a header."""
        headers: Headers = next((m["headers"] for m in self.messages if "headers" in m), [])
        return [value.decode("latin-1") for key, value in headers if key == name.lower().encode()]


def scope(method: str, path: str, headers: Headers = (), **changes: Any) -> dict[str, Any]:
    """Return an HTTP scope as uvicorn makes it."""
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 50_000),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": list(headers),
        "state": {},
        **changes,
    }


async def request(
    app: Any,
    method: str,
    path: str,
    headers: Headers = (),
    *,
    body: bytes = b"",
    leaves: Callable[[], Awaitable[None]] | None = None,
    refuses_at: int | None = None,
    **changes: Any,
) -> Answer:
    """Send a request.

    Args:
        app: the app.
        method: HTTP method.
        path: path, with its query.
        headers: request headers.
        body: request body.
        leaves: the client leaves when this returns; default: it waits for the whole response.
        refuses_at: the send call that raises OSError, as servers do whose client is gone.
        changes: other items of the scope.
    """
    answer = Answer()
    over = asyncio.Event()
    parts = iter([body])
    sends = 0

    async def leave() -> None:
        if leaves is not None:
            await leaves()
            over.set()

    leaving = asyncio.create_task(leave())

    async def receive() -> Message:
        for part in parts:
            return {"type": "http.request", "body": part, "more_body": False}
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal sends
        sends += 1
        if refuses_at is not None and sends >= refuses_at:
            raise OSError("the client is gone")
        answer.messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            over.set()

    try:
        await asyncio.create_task(app(scope(method, path, headers, **changes), receive, send))
    except BaseException as error:  # noqa: BLE001  # the test looks at it
        answer.error = error
    finally:
        leaving.cancel()
    return answer


@dataclass
class Metrics:
    """One scrape. Samples by name and label values, in the order of the labels."""

    samples: dict[tuple[str, tuple[str, ...]], float]
    exemplars: dict[tuple[str, tuple[str, ...]], Exemplar]

    def value(self, name: str, *labels: str) -> float:
        """Return a sample's value; 0 where there is none."""
        return self.samples.get((f"etter_{name}", labels), 0.0)

    def of(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the samples of one name that are not 0."""
        return {
            labels: value
            for (sample, labels), value in self.samples.items()
            if sample == f"etter_{name}" and value
        }


def parse(text: str) -> Metrics:
    """Parse OpenMetrics by prometheus_client's strict parser."""
    metrics = Metrics({}, {})
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            key = (sample.name, tuple(sample.labels.values()))
            assert key not in metrics.samples, f"{key} is there twice"
            metrics.samples[key] = sample.value
            if sample.exemplar is not None:
                metrics.exemplars[key] = sample.exemplar
    return metrics


async def scrape(app: Any) -> Metrics:
    """Ask ``/metrics`` for OpenMetrics."""
    answer = await request(app, "GET", "/metrics", [(b"accept", b"application/openmetrics-text")])
    assert answer.status == 200
    return parse(answer.body.decode())


@contextmanager
def observed(app: Any, **changes: Any) -> Iterator[Observability]:
    """Observe an app for the length of the block."""
    observability = setup_observability(app, settings=Settings(**changes))
    try:
        yield observability
    finally:
        observability.shutdown()
