"""Errors on their way to Sentry, received by a real HTTP server that parses envelopes."""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sentry_sdk
from opentelemetry import propagate

from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.conventions import TELEMETRY_DROPPED
from etter_obs._internal.errors import ErrorTracker
from etter_obs._internal.logs import Redactor
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings
from tests.errors.sentry_receiver import SentryReceiver, sentry_receiver
from tests.logs.receivers import hanging_receiver
from tests.logs.secrets import EXAMPLES
from tests.waiting import eventually


class Tracked:
    """A tracker and its registry."""

    def __init__(self, dsn: str | None, *, enabled: bool = True) -> None:
        settings = Settings(
            error_tracking_enabled=enabled, sentry_dsn=dsn, service_version="shop@1.2.3"
        )
        self.registry = MetricsRegistry("etter")
        self.tracker = ErrorTracker(settings, "shop", "test", self.registry, Redactor())

    def dropped(self, reason: str) -> float:
        """Return how many events were counted as dropped for ``reason``."""
        return self.registry.counter(TELEMETRY_DROPPED).child("error", reason).value


@contextmanager
def tracking(dsn: str | None, *, enabled: bool = True) -> Iterator[Tracked]:
    """Make a tracker for ``dsn`` and close it afterwards."""
    tracked = Tracked(dsn, enabled=enabled)
    try:
        yield tracked
    finally:
        tracked.tracker.close(1.0)
        tracked.registry.close()


@pytest.fixture
def receiver() -> Iterator[SentryReceiver]:
    """A receiver that accepts everything."""
    with sentry_receiver() as received:
        yield received


def a_request() -> RequestContext:
    """Return the context of a request."""
    return RequestContext(
        "req-1", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True, "POST", "/orders/7"
    )


def raised(make: Callable[[], BaseException]) -> BaseException:
    """Return an exception that was raised, with its traceback."""
    try:
        raise make()
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is handed back
        return error


def test_an_error_arrives_with_its_request(receiver: SentryReceiver) -> None:
    """The event names request, trace, endpoint, release and environment, and shows the stack."""
    with tracking(receiver.dsn) as tracked:
        try:
            try:
                int("seven")
            except ValueError as cause:
                raise RuntimeError("no number") from cause
        except RuntimeError as error:
            tracked.tracker.capture(error, a_request(), endpoint="/orders/{id}")
        assert tracked.tracker.flush(5.0)
    (event,) = receiver.events
    assert event["tags"] == {
        "service": "shop",
        "request_id": "req-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "method": "POST",
        "endpoint": "/orders/{id}",
    }
    assert event["transaction"] == "/orders/{id}"
    assert event["contexts"]["trace"] == {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
    }
    assert event["contexts"]["request"]["path"] == "/orders/7"
    assert (event["environment"], event["release"], event["level"]) == (
        "test",
        "shop@1.2.3",
        "error",
    )
    first, last = event["exception"]["values"]
    assert (first["type"], first["value"]) == (
        "ValueError",
        "invalid literal for int() with base 10: 'seven'",
    )
    assert (last["type"], last["value"], last["module"]) == (
        "RuntimeError",
        "no number",
        "builtins",
    )
    assert last["mechanism"]["handled"] is False
    frame = first["stacktrace"]["frames"][-1]
    assert frame["function"] == "test_an_error_arrives_with_its_request"
    assert frame["context_line"].strip() == 'int("seven")'
    assert frame["filename"].endswith("test_tracker.py")
    assert "publickey" in receiver.authorizations[0]


def test_a_handled_error_is_reported_with_its_context(receiver: SentryReceiver) -> None:
    """capture_exception(exception, context) reports a handled error with the context's values."""
    with tracking(receiver.dsn) as tracked:
        token = current_request.set(a_request())
        tracked.tracker.capture_exception(
            raised(lambda: KeyError("x")), {"order": {"id": 7, "token": "hunter2"}, "attempt": 2}
        )
        current_request.reset(token)
        assert tracked.tracker.flush(5.0)
    (event,) = receiver.events
    assert event["contexts"]["order"] == {"id": 7, "token": "[redacted]"}
    assert event["contexts"]["attempt"] == {"value": 2}
    assert event["tags"]["request_id"] == "req-1"
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is True


def test_an_error_is_reported_once_a_request(receiver: SentryReceiver) -> None:
    """What the app reported itself is not reported again as it leaves; another request's is."""
    with tracking(receiver.dsn) as tracked:
        error = raised(lambda: ValueError("x"))
        request, other = a_request(), a_request()
        other.request_id = "req-2"
        tracked.tracker.capture(error, request)
        tracked.tracker.capture(error, request)
        tracked.tracker.capture(error, other)
        assert tracked.tracker.flush(5.0)
    assert [event["tags"]["request_id"] for event in receiver.events] == ["req-1", "req-2"]


@pytest.mark.parametrize(("text", "secret"), [pytest.param(*e[1:], id=e[0]) for e in EXAMPLES])
def test_no_secret_is_reported(receiver: SentryReceiver, text: str, secret: str) -> None:
    """A secret in the message, a cause, a path or a context is in no byte that is sent."""
    with tracking(receiver.dsn) as tracked:
        request = a_request()
        request.path = text
        token = current_request.set(request)
        try:
            try:
                raise ValueError(text)
            except ValueError as cause:
                raise RuntimeError(f"because of {text}") from cause
        except RuntimeError as error:
            tracked.tracker.capture_exception(error, {"note": text, text: 1, "deep": {"a": [text]}})
        current_request.reset(token)
        assert tracked.tracker.flush(5.0)
    assert len(receiver.events) == 1
    assert secret.encode() not in receiver.raw
    assert secret.encode("unicode_escape") not in receiver.raw


@pytest.mark.parametrize("where", ["message", "source", "context", "bytes"])
def test_no_half_of_a_secret_is_reported(
    receiver: SentryReceiver, tmp_path: Path, where: str
) -> None:
    """A long text is not cut within a secret, of which no rule would recognise a half."""
    secret = "half-a-" + "secret"
    text = f"see postgresql://etter:{secret * 2_000}@db/etter"
    module = tmp_path / "long_line.py"
    module.write_text(f"raise ValueError  # {text}\n")

    def fail() -> BaseException:
        if where == "source":
            runpy.run_path(str(module))
        return ValueError(text if where == "message" else "short")

    notes: dict[str, object] = {"context": text, "bytes": text.encode()}
    with tracking(receiver.dsn) as tracked:
        tracked.tracker.capture_exception(raised(fail), {"note": notes.get(where)})
        assert tracked.tracker.flush(5.0)
    (event,) = receiver.events
    assert "see…" in str(event)
    assert secret.encode() not in receiver.raw


def test_ids_are_no_secrets(receiver: SentryReceiver) -> None:
    """A span's id that could be the number of a card still links the event to its trace."""
    request = RequestContext(
        "req-1", "0af7651916cd43dd8448eb211c80319c", "4111111111111111", True, "POST", "/orders/7"
    )
    with tracking(receiver.dsn) as tracked:
        tracked.tracker.capture(raised(lambda: ValueError("4111111111111111")), request)
        assert tracked.tracker.flush(5.0)
    (event,) = receiver.events
    assert event["contexts"]["trace"]["span_id"] == "4111111111111111"
    assert event["exception"]["values"][0]["value"] == "[redacted]"


def test_no_variable_is_reported(receiver: SentryReceiver) -> None:
    """The values of local variables are not in the event."""
    with tracking(receiver.dsn) as tracked:
        local = "value-of-a-" + "local"
        tracked.tracker.capture(raised(lambda: ValueError(len(local))))
        assert tracked.tracker.flush(5.0)
    assert len(receiver.events) == 1
    assert local.encode() not in receiver.raw


def test_nothing_of_the_users_is_touched(receiver: SentryReceiver) -> None:
    """A global client that the app set, and the propagator, are the same before and after."""
    with sentry_receiver() as theirs:
        before = sentry_sdk.get_global_scope().client
        mine = sentry_sdk.Client(
            dsn=theirs.dsn,
            default_integrations=False,
            auto_enabling_integrations=False,
            _experiments={"transport_compression_algo": "gzip"},  # type: ignore[typeddict-item]
        )
        sentry_sdk.get_global_scope().set_client(mine)
        propagator = propagate.get_global_textmap()
        hook = sys.excepthook
        try:
            with tracking(receiver.dsn) as tracked:
                tracked.tracker.capture(raised(lambda: ValueError("ours")))
                assert tracked.tracker.flush(5.0)
                assert sentry_sdk.get_client() is mine
                sentry_sdk.capture_message("theirs")
            assert sentry_sdk.get_client() is mine
            mine.flush(5.0)
        finally:
            sentry_sdk.get_global_scope().set_client(before)
            mine.close()
        assert propagate.get_global_textmap() is propagator
        assert sys.excepthook is hook
        assert [event.get("message") for event in theirs.events] == ["theirs"]
    assert len(receiver.events) == 1


def test_a_dead_sentry_slows_nothing() -> None:
    """Without a server, or with one that hangs, an error storm costs little and is counted."""
    error = raised(lambda: ValueError("x"))
    with hanging_receiver() as address:
        for host in ("127.0.0.1:9", address):
            with tracking(f"http://key@{host}/42") as tracked:
                began = time.perf_counter()
                for _ in range(2_000):
                    tracked.tracker.capture(error)
                assert time.perf_counter() - began < 1.0
                eventually(
                    lambda: tracked.dropped("queue_full") > 1_000,  # called at once
                    deadline_s=5,
                )
                began = time.monotonic()
                tracked.tracker.close(0.5)
                assert time.monotonic() - began < 2.0


def test_an_event_that_the_network_loses_is_counted() -> None:
    """An event that no server accepts counts as dropped."""
    with tracking("http://key@127.0.0.1:9/42") as tracked:
        tracked.tracker.capture(raised(lambda: ValueError("x")))
        tracked.tracker.flush(5.0)
        eventually(lambda: tracked.dropped("network_error") == 1, deadline_s=20)


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        (500, {"network_error": 2}),
        (413, {"send_error": 2}),
        (429, {"status_429": 1, "ratelimit_backoff": 1}),
    ],
)
def test_an_event_that_sentry_refuses_is_counted(status: int, reasons: dict[str, int]) -> None:
    """Each event that Sentry refuses counts once; its rate limit holds the next one back."""
    with sentry_receiver(status) as receiver, tracking(receiver.dsn) as tracked:
        for _ in range(2):
            tracked.tracker.capture(raised(lambda: ValueError("x")))
            assert tracked.tracker.flush(5.0)
        eventually(
            lambda: {reason: tracked.dropped(reason) for reason in reasons} == reasons,
            deadline_s=20,
        )
        every = ("failed", "network_error", "send_error", "status_429", "ratelimit_backoff")
        assert sum(map(tracked.dropped, every)) == 2


def test_an_unprintable_exception_is_reported(receiver: SentryReceiver) -> None:
    """An exception whose text raises, or that has slots, is reported all the same."""

    class Slotted(Exception):  # noqa: N818
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("no")

    with tracking(receiver.dsn) as tracked:
        tracked.tracker.capture(raised(Slotted), a_request())
        assert tracked.tracker.flush(5.0)
    assert receiver.events[0]["exception"]["values"][0]["value"] == "(its text cannot be read)"


def test_an_exception_that_cannot_be_marked_is_reported(receiver: SentryReceiver) -> None:
    """One whose class refuses to be changed, by whatever error, is reported; nothing is raised."""

    class Frozen(Exception):  # noqa: N818
        def __setattr__(self, name: str, value: object) -> None:
            raise TypeError("frozen")

    with tracking(receiver.dsn) as tracked:
        tracked.tracker.capture(Frozen("x"), a_request())
        assert tracked.tracker.flush(5.0)
    assert receiver.events[0]["exception"]["values"][0]["value"] == "x"


def test_a_group_is_reported_with_its_members(receiver: SentryReceiver) -> None:
    """An exception group shows each member and its cause, linked as Sentry draws them as a tree."""
    member = ValueError("a")
    member.__cause__ = KeyError("why")
    group = ExceptionGroup("both", [member, ExceptionGroup("inner", [OSError("b")])])
    with tracking(receiver.dsn) as tracked:
        tracked.tracker.capture(raised(lambda: group), a_request())
        assert tracked.tracker.flush(5.0)
    values = receiver.events[0]["exception"]["values"]
    told = {value["mechanism"]["exception_id"]: value for value in values}
    tree = [
        (told[n]["type"], told[n]["mechanism"].get("parent_id"), told[n]["mechanism"].get("source"))
        for n in sorted(told)
    ]
    assert tree == [
        ("ExceptionGroup", None, None),
        ("ValueError", 0, "exceptions[0]"),
        ("KeyError", 1, "__cause__"),
        ("ExceptionGroup", 0, "exceptions[1]"),
        ("OSError", 3, "exceptions[0]"),
    ]
    assert values[-1]["value"] == "both (2 sub-exceptions)"
    assert [value["mechanism"].get("is_exception_group", False) for value in values] == [
        value["type"] == "ExceptionGroup" for value in values
    ]


def test_off_means_off(receiver: SentryReceiver) -> None:
    """With ERROR_TRACKING_ENABLED=false nothing is sent, and a call is harmless."""
    with tracking(receiver.dsn, enabled=False) as tracked:
        tracked.tracker.capture(raised(lambda: ValueError("x")))
        tracked.tracker.capture_exception(raised(lambda: ValueError("x")), {"a": 1})
        assert tracked.tracker.flush(1.0)
    assert receiver.events == []


def test_a_forked_child_reports_its_own(receiver: SentryReceiver) -> None:
    """A child forked after its parent reported sends its own event, and the parent's once."""
    script = f"""
import os
from etter_obs._internal.errors import ErrorTracker
from etter_obs._internal.logs import Redactor
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings
settings = Settings(error_tracking_enabled=True, sentry_dsn={receiver.dsn!r})
tracker = ErrorTracker(settings, "shop", "test", MetricsRegistry("etter"), Redactor())
tracker.capture(ValueError("parent"))
assert tracker.flush(10)
if os.fork() == 0:
    tracker.capture(ValueError("child"))
    assert tracker.close(10)
    os._exit(0)
assert os.wait()[1] == 0
assert tracker.close(10)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    values = [event["exception"]["values"][0]["value"] for event in receiver.events]
    assert sorted(values) == ["child", "parent"]


def test_a_missing_sdk_is_one_warning_with_its_remedy(receiver: SentryReceiver) -> None:
    """Without sentry-sdk installed, error reports are off; the warning names the line for that."""
    script = f"""
import sys
sys.modules["sentry_sdk"] = None
from etter_obs._internal.errors import ErrorTracker
from etter_obs._internal.logs import Redactor
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings
settings = Settings(error_tracking_enabled=True, sentry_dsn={receiver.dsn!r})
for _ in range(2):
    tracker = ErrorTracker(settings, "shop", "test", MetricsRegistry("etter"), Redactor())
    tracker.capture(ValueError())
    print(tracker.enabled, tracker.close(1.0))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    )
    assert done.stdout.split(b"\n")[:2] == [b"False True"] * 2, done.stderr
    assert done.stderr.count(b"pip install 'etter-obs[sentry]'") == 1
