"""What a span and a log line cost the collector, as agent and as gateway, with the shipped files.

\b
  python -m benchmarks.collector
  python -m benchmarks.collector --seconds 5 --markdown

Each row is a collector of its own that takes the OTLP of an app over gRPC, as fast as one sender
can, and delivers to receivers on loopback that forget it. The CPU time is that of the collector's
process, queue on disk included, so the rate per core does not depend on how much of the machine the
sender uses. "memory" is the largest resident set. "on disk" is what an item takes in the queue
while the back end is away.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rich.table import Table

from benchmarks.access_line import FIELDS
from benchmarks.sinks import forgetful_servers
from benchmarks.subjects import Sinks
from benchmarks.tables import show
from etter_obs._internal.logs.otlp_wire import Encoder, request
from stack.build import binary
from stack.layout import CHECKOUT, Ports, environment
from stack.processes import Program, running

BATCH = 512
SPANS_PER_TRACE = 4
_TAG = b"\xabTAG"
"""Part of every trace id, replaced in each request, so that no trace comes twice."""
_GONE = "127.0.0.1:9"
_RESOURCE = {
    "service.name": "shop",
    "deployment.environment.name": "production",
    "service.instance.id": "0f6b9f0e-3f5e-4c7e-8f52-7c2f8f1d7a11",
}
_ATTRIBUTES: dict[str, str | int] = {
    "etter.request_id": "1af0e63c21ca7b5bf2e81863eb2c6653",
    "http.request.method": "GET",
    "http.route": "/orders/{number}",
    "http.response.status_code": 200,
    "url.path": "/orders/4711",
    "url.scheme": "http",
    "server.address": "shop.example.org",
    "client.address": "192.0.2.17",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
    "network.protocol.version": "1.1",
}
_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


@dataclass(frozen=True)
class Row:
    """A tier, a signal, and the files of the tier after config.yaml."""

    tier: str
    signal: str
    files: tuple[str, ...]


ROWS = (
    Row("agent", "spans", ("to-gateway",)),
    Row("agent", "lines", ("to-gateway",)),
    Row("gateway", "spans", ("to-tempo",)),
    Row("gateway", "lines", ("to-tempo",)),
    Row("gateway, tail sampling", "spans", ("to-tempo", "tail-sampling")),
)


@dataclass(frozen=True)
class Cost:
    """What a collector took for so many items."""

    items: int
    seconds: float
    cpu_s: float
    rss: int


def spans() -> bytes:
    """Return a request with ``BATCH`` spans as an app sends them."""
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    resource.resource.attributes.extend(_pairs(dict(_RESOURCE)))
    scope = resource.scope_spans.add()
    now = time.time_ns()
    for number in range(BATCH):
        trace = _TAG + (number // SPANS_PER_TRACE).to_bytes(12, "big")
        scope.spans.append(
            Span(
                trace_id=trace,
                span_id=(number + 1).to_bytes(8, "big"),
                name="GET /orders/{number}",
                kind=Span.SPAN_KIND_SERVER,
                start_time_unix_nano=now,
                end_time_unix_nano=now + 20_000_000,
                attributes=_pairs(_ATTRIBUTES),
            )
        )
    return bytes(made.SerializeToString())


def _pairs(values: dict[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key,
            value=AnyValue(int_value=value)
            if isinstance(value, int)
            else AnyValue(string_value=value),
        )
        for key, value in values.items()
    ]


def lines() -> bytes:
    """Return a request with ``BATCH`` access lines as an app sends them."""
    encoder = Encoder()
    now = time.time_ns()
    records = [encoder.record(now + number, now, {}, FIELDS) for number in range(BATCH)]
    return request(_RESOURCE, "etter_obs.logs", records)


@contextmanager
def collector(folder: Path, row: Row, loki: str, otlp: str) -> Iterator[tuple[Ports, int]]:
    """Run a collector; yields its ports and its process id."""
    ports = Ports.free()
    files = [f"--config=otel-collector/{name}.yaml" for name in ("config", *row.files)]
    program = Program(
        "collector",
        [binary("otelcol"), *files],
        f"http://127.0.0.1:{ports.collector_health}",
        folder / "log",
        {
            **environment(folder, ports, {}),
            "LOKI_OTLP_URL": loki,
            "TEMPO_OTLP_ADDRESS": otlp,
            "GATEWAY_OTLP_ADDRESS": otlp,
        },
        CHECKOUT,
    )
    (folder / "data").mkdir()
    with running(program):
        assert program.process is not None
        yield ports, program.process.pid


class Sender:
    """Sends batches to a collector, one after the other; each has trace ids of its own."""

    def __init__(self, ports: Ports, signal: str) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{ports.otlp_grpc}")
        self._call = self._channel.unary_unary(_TRACES if signal == "spans" else _LOGS)
        self._payload = spans() if signal == "spans" else lines()
        self._tags = itertools.count()

    def send(self) -> None:
        """Send a batch; a refused one is repeated until the collector takes it."""
        payload = self._payload.replace(_TAG, next(self._tags).to_bytes(4, "big"))
        while True:
            try:
                self._call(payload, timeout=30)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(0.05)
            else:
                return


def cost(row: Row, sinks: Sinks, seconds: float) -> Cost:
    """Load a collector for so long, and wait until it has delivered."""
    with (
        tempfile.TemporaryDirectory() as folder,
        collector(Path(folder), row, _plain(sinks.dsn), sinks.otlp) as (ports, pid),
    ):
        process, sender = psutil.Process(pid), Sender(ports, row.signal)
        largest, over = [0], threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                largest[0] = max(largest[0], process.memory_info().rss)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            for _ in range(20):
                sender.send()
            before, start, sent = process.cpu_times(), time.perf_counter(), 0
            while time.perf_counter() - start < seconds:
                sender.send()
                sent += BATCH
            took = time.perf_counter() - start
            _quiet(process)
            after = process.cpu_times()
        finally:
            over.set()
            watching.join()
        used = after.user + after.system - before.user - before.system
        return Cost(sent, took, used, largest[0])


def _quiet(process: psutil.Process) -> None:
    """Wait until the process has done its work: until it rests for a second."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.cpu_percent(1.0) > 5:
        pass


def on_disk(row: Row, batches: int = 100) -> float:
    """Return the bytes that an item takes in the queue while the back end is away."""
    with (
        tempfile.TemporaryDirectory() as folder,
        collector(Path(folder), row, f"http://{_GONE}", _GONE) as (ports, _),
    ):
        queue = Path(folder) / "data/queue"
        before, sender = _size(queue), Sender(ports, row.signal)
        for _ in range(batches):
            sender.send()
        return (_size(queue) - before) / (batches * BATCH)


def _size(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())


def _plain(dsn: str) -> str:
    """Return the address of an HTTP receiver from a DSN."""
    return f"http://{dsn.partition('@')[2].partition('/')[0]}"


@click.command(help=__doc__)
@click.option("--seconds", default=15.0, show_default=True, help="Length of a row's load.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
def main(seconds: float, markdown: bool) -> None:
    """Measure and print."""
    table = Table(title=f"the collector, {os.cpu_count()} cores")
    for title in (
        "tier",
        "signal",
        "per second",
        "per second and core",
        "memory MB",
        "bytes on disk",
    ):
        table.add_column(title, justify="left" if title in ("tier", "signal") else "right")
    with forgetful_servers() as sinks:
        for row in ROWS:
            found = cost(row, sinks, seconds)
            table.add_row(
                row.tier,
                row.signal,
                f"{found.items / found.seconds:,.0f}",
                f"{found.items / found.cpu_s:,.0f}",
                f"{found.rss / 2**20:.0f}",
                f"{on_disk(row):.0f}",
            )
    show(table, markdown=markdown)


if __name__ == "__main__":
    main()
