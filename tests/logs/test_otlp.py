"""Lines on their way to a collector, received by real OTLP servers."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.logs import fields as names
from etter_obs._internal.logs import get_logger
from etter_obs._internal.logs.otlp_wire import Encoder
from etter_obs._internal.settings import Settings
from etter_obs._internal.settings.parsers import OtlpProtocol
from tests.logs.pipelines import Logged
from tests.logs.receivers import grpc_receiver, hanging_receiver, http_receiver
from tests.relay import relay
from tests.waiting import eventually, usual

logger = get_logger("tests.otlp")
REQUEST = RequestContext(
    "req-1", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True, "GET", "/x"
)


def to(endpoint: str, protocol: OtlpProtocol = "grpc") -> Settings:
    """Return settings that send logs to ``endpoint``."""
    return Settings(
        apm_enabled=True, otlp_endpoint=endpoint, otlp_protocol=protocol, service_version="1.2.3"
    )


def text(value: AnyValue) -> str:
    """Return a string attribute."""
    return value.string_value


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_line_arrives_as_it_was_written(tmp_path: Path, protocol: OtlpProtocol) -> None:
    """Over both protocols a record has the line's ids, body, severity, attributes and resource."""
    receiver = grpc_receiver() if protocol == "grpc" else http_receiver()
    with receiver as received, Logged(tmp_path / "log", to(received.endpoint, protocol)) as logged:
        token = current_request.set(REQUEST)
        try:
            raise ValueError("user ada@example.com")
        except ValueError:
            logger.exception("order failed", amount=3, password="hunter2", parts=["a", 2**70])
        current_request.reset(token)
        line = logged.line()
        (record,) = received.records()

    assert received.resource()["service.name"] == "shop"
    assert received.resource()["deployment.environment.name"] == "test"
    assert received.resource()["service.version"] == "1.2.3"
    assert record.trace_id.hex() == line["trace_id"] == REQUEST.trace_id
    assert record.span_id.hex() == line["span_id"] == REQUEST.span_id
    assert record.flags == 1
    assert (record.severity_text, record.severity_number) == (
        "ERROR",
        SeverityNumber.SEVERITY_NUMBER_ERROR,
    )
    assert record.body.string_value == f"order failed\n{line['exception']}"
    assert "ada@example.com" not in record.body.string_value
    attributes = {item.key: item.value for item in record.attributes}
    assert text(attributes["request_id"]) == "req-1"
    assert text(attributes["logger"]) == "tests.otlp"
    assert text(attributes["password"]) == "[redacted]"
    assert attributes["amount"].int_value == 3
    assert [text(item) for item in attributes["parts"].array_value.values] == ["a", hex(2**70)]
    assert attributes.keys().isdisjoint({"exception", "message", "trace_id", "timestamp"})
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.time_unix_nano // 10**9))
    assert line["timestamp"].startswith(stamp)


def test_a_line_outside_a_request_has_no_ids(tmp_path: Path) -> None:
    """A record without a trace has empty ids and no null attributes."""
    with grpc_receiver() as received, Logged(tmp_path / "log", to(received.endpoint)) as logged:
        logger.info("plain")
        logged.lines()
        (record,) = received.records()
    assert record.trace_id == b""
    assert record.span_id == b""
    assert "request_id" not in {item.key for item in record.attributes}


def test_the_exports_own_lines_are_not_exported(tmp_path: Path) -> None:
    """Lines of OpenTelemetry and gRPC go to stdout and are not sent; an app's namesakes are."""
    with grpc_receiver() as received, Logged(tmp_path / "log", to(received.endpoint)) as logged:
        logging.getLogger("opentelemetry.sdk.x").warning("about the export")
        logging.getLogger("grpc._channel").warning("about the channel")
        logging.getLogger("requests_audit").info("an app's")
        logging.getLogger("grpc_gateway").info("another's")
        logger.info("mine")
        assert len(logged.lines()) == 5
        bodies = [record.body.string_value for record in received.records()]
        assert bodies == ["an app's", "another's", "mine"]


def test_a_hanging_collector_holds_up_nothing(tmp_path: Path) -> None:
    """With a collector that accepts and never answers, stdout goes on and the loss is counted."""
    with (
        hanging_receiver() as endpoint,
        Logged(tmp_path / "log", dataclasses.replace(to(endpoint), otlp_timeout=60.0)) as logged,
    ):
        took: list[float] = []
        for number in range(8_000):
            began = time.perf_counter()
            logger.info("line", number=number)
            took.append(time.perf_counter() - began)
        assert usual(took) < 0.01
        eventually(
            lambda: logged.path.read_bytes().count(b"\n") >= 8_000, deadline_s=30, every_s=0.02
        )
        assert logged.dropped("otlp_queue_full") > 0
        assert logged.pipeline.dropped == 0
        began = time.monotonic()
        assert not logged.pipeline.close(0.5)
        assert time.monotonic() - began < 10  # the request under way would take a minute
        eventually(
            lambda: logged.dropped("otlp_queue_full") + logged.dropped("otlp_failed") >= 8_000,
            deadline_s=30,
        )


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_request_may_take_as_long_as_asked(tmp_path: Path, protocol: OtlpProtocol) -> None:
    """OTEL_EXPORTER_OTLP_TIMEOUT ends a request that is not answered; its lines are counted."""
    with hanging_receiver() as endpoint:
        settings = dataclasses.replace(to(endpoint, protocol), otlp_timeout=0.3)
        with Logged(tmp_path / "log", settings) as logged:
            logger.info("lost")
            eventually(lambda: logged.dropped("otlp_failed") == 1, deadline_s=4)  # the default: 5


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_lines_are_compressed_where_asked(tmp_path: Path, protocol: OtlpProtocol) -> None:
    """With OTEL_EXPORTER_OTLP_COMPRESSION=gzip the same lines take a tenth of the bytes."""
    receiver = grpc_receiver() if protocol == "grpc" else http_receiver()
    with receiver as received, relay(received.endpoint.removeprefix("http://")) as wire:
        sizes = []
        for compression in ("none", "gzip"):
            before = wire.sent
            settings = Settings.from_env(
                {
                    "APM_ENABLED": "true",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": wire.address,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                    "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
                }
            )
            with Logged(tmp_path / compression, settings) as logged:
                for _ in range(100):
                    logger.info("long", text="to be said again " * 100)
                logged.lines()
            sizes.append(wire.sent - before)
        assert len(received.records()) == 200
    plain, zipped = sizes
    assert plain > 170_000
    assert zipped < plain / 10


def test_a_dead_collector_feeds_no_loop(tmp_path: Path) -> None:
    """Without a collector there is one warning, on stdout, and the lines count as lost."""
    with Logged(tmp_path / "log", to("127.0.0.1:9")) as logged:
        logger.info("lost")
        eventually(lambda: logged.dropped("otlp_failed") >= 1, deadline_s=20)
        complaints = [line for line in logged.lines() if line["level"] == "WARNING"]
        assert len(complaints) == 1
        assert "cannot be sent to the collector: UNAVAILABLE" in complaints[0]["message"]
        assert logged.dropped("otlp_failed") == 1


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_forked_child_sends_its_own(tmp_path: Path, protocol: OtlpProtocol) -> None:
    """A child that was forked after the parent had exported sends its lines, each once."""
    receiver = grpc_receiver() if protocol == "grpc" else http_receiver()
    with receiver as received:
        script = f"""
import os
from etter_obs._internal.logs import LogPipeline, get_logger
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings
endpoint, protocol = {received.endpoint!r}, {protocol!r}
settings = Settings(apm_enabled=True, otlp_endpoint=endpoint, otlp_protocol=protocol)
pipeline = LogPipeline(settings, "shop", "test", MetricsRegistry("etter"))
pipeline.install()
logger = get_logger("child")
logger.info("before")
assert pipeline.flush(10)
for n in range(2):
    if os.fork() == 0:
        logger.info(f"child {{n}}")
        assert pipeline.close(10)
        os._exit(0)
for n in range(2):
    assert os.wait()[1] == 0
logger.info("after")
assert pipeline.close(10)
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        bodies = sorted(record.body.string_value for record in received.records())
    expected = ["after", "before", "child 0", "child 1"]
    assert bodies == expected
    written = sorted(json.loads(line)["message"] for line in done.stdout.splitlines())
    assert written == expected


def test_ids_of_another_kind_are_no_obstacle(tmp_path: Path) -> None:
    """A trace id that a caller gave and that is none of W3C's is left out of the record."""
    with grpc_receiver() as received, Logged(tmp_path / "log", to(received.endpoint)) as logged:
        logger.info("odd", trace_id="b3-style", span_id=7)
        assert logged.line()["trace_id"] == "b3-style"
        (record,) = received.records()
    assert (record.body.string_value, record.trace_id) == ("odd", b"")


def test_logs_stay_here_when_asked(tmp_path: Path) -> None:
    """With ETTER_OBS_OTLP_LOGS_ENABLED=false nothing is sent, and the line is on stdout."""
    with grpc_receiver() as received:
        settings = Settings(
            apm_enabled=True, otlp_endpoint=received.endpoint, otlp_logs_enabled=False
        )
        with Logged(tmp_path / "log", settings) as logged:
            logger.info("here")
            assert logged.line()["message"] == "here"
    assert received.requests == []


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_headers_go_along_and_a_refusal_is_tried_again(
    tmp_path: Path, protocol: OtlpProtocol
) -> None:
    """OTEL_EXPORTER_OTLP_HEADERS is on every request; an overloaded receiver gets it again."""
    receiver = grpc_receiver() if protocol == "grpc" else http_receiver()
    with receiver as received:
        received.refusals = 2
        settings = dataclasses.replace(
            to(received.endpoint, protocol), otlp_headers=(("Api-Key", "hunter2"),)
        )
        with Logged(tmp_path / "log", settings) as logged:
            logger.info("stubborn")
            logged.lines()
            assert [record.body.string_value for record in received.records()] == ["stubborn"]
            assert len(received.headers) == 3
            assert all(headers["api-key"] == "hunter2" for headers in received.headers)
            assert logged.dropped("otlp_failed") == 0


def test_long_lines_fit_what_a_server_takes(tmp_path: Path) -> None:
    """A burst of lines of the greatest length arrives whole, in several requests."""
    with grpc_receiver() as received, Logged(tmp_path / "log", to(received.endpoint)) as logged:
        for _ in range(600):
            logger.info("long", text="words of a long text " * 760)
        logged.lines()
        assert len(received.records()) == 600
        assert len(received.requests) >= 4
        assert logged.dropped("otlp_failed") == 0


@given(
    fields=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
            lambda key: key not in names.RESERVED
        ),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False)
            | st.text(max_size=300),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
        max_size=6,
    ),
    time_ns=st.integers(0, 2**64 - 1),
    level=st.sampled_from(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTICE"]),
)
def test_what_is_written_by_hand_is_what_the_generated_classes_read(
    fields: dict[str, Any], time_ns: int, level: str
) -> None:
    """Any record parses to the values it was made of, in one part or in two."""
    said = {"level": level, "message": "m", "logger": "l"}
    fields |= {"trace_id": None, "span_id": None, "trace_sampled": None}
    whole = Encoder().record(time_ns, 5, {}, {**said, **fields})
    assert Encoder().record(time_ns, 5, said, fields) == whole
    parsed = LogRecord.FromString(whole)
    assert (parsed.time_unix_nano, parsed.observed_time_unix_nano) == (time_ns, 5)
    assert parsed.severity_text == level
    assert (parsed.severity_number == 0) == (level == "NOTICE")
    assert parsed.body.string_value == "m"
    read = {item.key: item.value for item in parsed.attributes}
    assert text(read.pop("logger")) == "l"
    expected = {key: value for key, value in fields.items() if value is not None}
    assert {key: read_back(value) for key, value in read.items()} == written(expected)


def read_back(value: AnyValue) -> Any:
    """Return what an AnyValue holds."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [read_back(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: read_back(item.value) for item in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def written(value: Any) -> Any:
    """Return ``value`` as OTLP can hold it."""
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [written(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return hex(value)
    return value
