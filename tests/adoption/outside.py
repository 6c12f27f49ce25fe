"""A user's app with the built wheel, in its own environment, observed from outside."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.servers import Running, running
from tests.services import Received, Receiver, otlp_grpc_receiver
from tests.waiting import eventually
from tests.wheel import installed_in

APPS: Final = Path(__file__).parent / "apps"
SECRET: Final = "hunter2-secret"
_AUTO: Final = [
    "opentelemetry-distro",
    "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry-instrumentation-fastapi",
]
_BEFORE_US: Final = re.compile(r"\[[\d-]+ [\d:]+ \+0000\] \[\d+\] \[INFO\] |\w+ only instruments ")
"""gunicorn's main process, which has not loaded the app; the command opentelemetry-instrument."""
_COUNTED: Final = re.compile(
    r'^etter_requests_total\{method="(\w+)",endpoint="([^"]+)",status="(\d+)"\} (\d+)', re.MULTILINE
)


@dataclass
class Adopted:
    """A running app, and what its collector receives."""

    run: Running
    otlp: Receiver
    folder: Path
    python: Path
    ended: bool = field(default=False)

    def counted(self) -> dict[tuple[str, str, str], int]:
        """Return the requests that /metrics counts, by method, route and status."""
        text = self.run.get("/metrics").text
        found = ((m[1], m[2], m[3], int(m[4])) for m in _COUNTED.finditer(text))
        return {(method, route, status): n for method, route, status, n in found if n}

    def counts(self, expected: Mapping[tuple[str, str, str], int]) -> None:
        """Wait until exactly these requests are counted."""
        eventually(lambda: self.counted() == expected, deadline_s=20, tell=self.counted)

    def end(self) -> int:
        """End it by SIGTERM, as a container does; everything is sent and written then."""
        self.ended = True
        return self.run.end()

    def server_spans(self) -> list[Received]:
        """Return the spans of requests, oldest first."""
        found = [span for span in self.otlp.spans if span.kind == "server"]
        return sorted(found, key=lambda span: span.start_ns)

    def access_lines(self) -> list[dict[str, Any]]:
        """Return the access lines, in their order."""
        return [line for line in self.run.lines if line["logger"] == "etter_obs.access"]

    def holds_together(self) -> None:
        """Each line of its output is JSON, each request has one line and one span of the same ids.

        No secret that was planted is anywhere.
        """
        assert self.ended, "the rest arrives when it ends"
        shown = self.run.said()
        plain = [line for line in self.run.output if not line.startswith("{")]
        assert all(_BEFORE_US.match(line) for line in plain), shown
        lines = {line["trace_id"]: line for line in self.access_lines()}
        assert len(lines) == len(self.access_lines()), "a request with two access lines"
        spans = {span.trace_id: span for span in self.server_spans()}
        assert len(spans) == len(self.server_spans()), "a request with two server spans"
        assert spans.keys() == lines.keys()
        for trace_id, span in spans.items():
            assert span.span_id == lines[trace_id]["span_id"]
        for where in (shown, str(self.otlp.spans)):
            assert SECRET not in where


@contextmanager
def adopted(
    name: str,
    server: str,
    wheel: Path,
    folder: Path,
    app: str = "main:app",
    *arguments: str,
    factory: bool = False,
    auto_instrumented: bool = False,
    **environment: str,
) -> Iterator[Adopted]:
    """Install the app's requirements and the wheel, and run a copy of it under a server.

    ``auto_instrumented`` runs it as the command ``opentelemetry-instrument`` does, which puts its
    sitecustomize onto the path.
    """
    here = folder / "app"
    shutil.copytree(APPS / name, here)
    wanted = (here / "requirements.txt").read_text().split()
    if auto_instrumented:
        wanted += _AUTO
    python = installed_in(folder, f"etter-obs[all] @ {wheel.as_uri()}", *wanted)
    if auto_instrumented:
        (site,) = folder.glob("venv/lib/*/site-packages/opentelemetry/instrumentation")
        environment["PYTHONPATH"] = f"{site}/auto_instrumentation:{here}"
    with (
        otlp_grpc_receiver() as otlp,
        running(
            server,
            app,
            *arguments,
            factory=factory,
            python=python,
            cwd=here,
            environment={
                "APM_ENABLED": "true",
                "OTEL_TRACES_SAMPLER": "always_on",
                "OTLP_ENDPOINT": otlp.endpoint,
                "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
                "ETTER_OBS_SHUTDOWN_DEADLINE": "20",
                **environment,
            },
        ) as run,
    ):
        yield Adopted(run, otlp, here, python)
