"""The environment: what it takes, what it refuses, and that the document knows all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from etter_obs._internal.settings import Settings, SettingsError, cache_root, named_program

DOCUMENT = Path(__file__).parent.parent / "docs" / "settings.md"

DSN = "https://key@sentry.example/1"


class Recording(Mapping[str, str]):
    """An environment that records which names were read."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_an_empty_environment_gives_the_defaults() -> None:
    """With nothing set, the settings are the class's own defaults."""
    assert Settings.from_env({}) == Settings()


def test_the_document_names_exactly_the_variables_that_are_read() -> None:
    """docs/settings.md lists every variable that is read, and no other."""
    environment = Recording()
    Settings.from_env(environment)
    cache_root(environment)
    for name in ("grafana", "tempo"):
        named_program(name, environment)
    first_cells = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", DOCUMENT.read_text(), re.MULTILINE)
    documented = {name for cell in first_cells for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert documented == environment.asked


@pytest.mark.parametrize(
    ("short", "standard", "field", "value"),
    [
        ("OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint", "collector:4317"),
        ("SERVICE_NAME", "OTEL_SERVICE_NAME", "service_name", "standard"),
    ],
)
def test_a_standard_name_wins_over_the_short_one(
    short: str, standard: str, field: str, value: str
) -> None:
    """If both names are set, the OTEL_* one counts; alone, the short one does."""
    assert getattr(Settings.from_env({short: "ignored", standard: value}), field) == value
    assert getattr(Settings.from_env({short: value}), field) == value


@pytest.mark.parametrize(
    ("variable", "held"),
    [
        ("LOG_LEVEL", "LOUD"),
        ("ENABLE_METRICS", "maybe"),
        ("APM_ENABLED", "2"),
        ("OTLP_ENDPOINT", "not an endpoint"),
        ("OTLP_ENDPOINT", "collector:99999"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://[::1]:65536/otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:0"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "deflate"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10"),  # seconds, as other programs in Python read it
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1e4"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "9" * 20),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2049"),
        ("ETTER_OBS_LOG_QUEUE_SIZE", "-1"),
        ("ETTER_OBS_METRICS_SERIES_CAP", "٣٠٠"),
        ("ETTER_OBS_HEALTH_TIMEOUT", "0"),
        ("ETTER_OBS_HEALTH_TIMEOUT", "inf"),
        ("ETTER_OBS_MANAGEMENT_PORT", "65536"),
        ("ETTER_OBS_RESPONSE_HEADERS", "X-Powered-By"),
        ("ETTER_OBS_RESPONSE_HEADERS", ","),
        ("ETTER_OBS_SLO_FILE", "/nowhere/slo.yaml"),
        ("SERVICE_NAME", "two\nlines"),
        ("ENVIRONMENT", "Prod"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_variable_and_remedy(variable: str, held: str) -> None:
    """The error is one line with the variable, what it held and what it takes."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: held})
    message = str(caught.value)
    assert message.startswith(f"{variable} holds {held!r}: it takes ")
    assert "\n" not in message


def test_a_wrong_secret_is_not_shown() -> None:
    """A malformed DSN is refused without repeating it."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"SENTRY_DSN": "https://leaky-secret@"})
    assert "leaky-secret" not in str(caught.value)
    assert "SENTRY_DSN" in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["collector", "c:65535", "[::1]:1", "https://c:443/otlp", "http://[::1]/otlp"]
)
def test_an_endpoint_is_a_host_or_a_url_with_a_port_or_without(endpoint: str) -> None:
    """What can be reached is taken as it is written."""
    assert Settings.from_env({"OTLP_ENDPOINT": endpoint}).otlp_endpoint == endpoint


def test_a_dsn_has_a_port_that_there_is() -> None:
    """A port is taken where TCP has it."""
    dsn = "https://key@sentry.example:65535/1"
    assert Settings.from_env({"SENTRY_DSN": dsn}).sentry_dsn == dsn
    with pytest.raises(SettingsError, match="SENTRY_DSN"):
        Settings.from_env({"SENTRY_DSN": "https://key@sentry.example:65536/1"})


@pytest.mark.parametrize(
    ("environment", "ratio"),
    [
        ({}, 0.1),
        ({"OTEL_TRACES_SAMPLER": ""}, 0.1),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, 1.0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.2"}, 0.2),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.2"}, 0.2),
    ],
)
def test_a_sampler_that_is_named_has_opentelemetrys_default_share(
    environment: dict[str, str], ratio: float
) -> None:
    """One trace in ten is our default; a sampler named without a share keeps all, as specified."""
    settings = Settings.from_env(environment)
    assert (settings.sampler_ratio, "traceidratio" in settings.sampler) == (ratio, True)


def test_error_tracking_without_an_address_is_refused() -> None:
    """ERROR_TRACKING_ENABLED without SENTRY_DSN says which of the two to change."""
    with pytest.raises(SettingsError, match=r"SENTRY_DSN.*ERROR_TRACKING_ENABLED"):
        Settings.from_env({"ERROR_TRACKING_ENABLED": "true"})


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """NAME_FILE is read, stripped, and loses to NAME itself; an unreadable file is an error."""
    file = tmp_path / "dsn"
    file.write_text(f"{DSN}\n")
    assert Settings.from_env({"SENTRY_DSN_FILE": str(file)}).sentry_dsn == DSN
    other = "https://other@sentry.example/2"
    both = {"SENTRY_DSN_FILE": str(file), "SENTRY_DSN": other}
    assert Settings.from_env(both).sentry_dsn == other
    with pytest.raises(SettingsError, match="SENTRY_DSN_FILE"):
        Settings.from_env({"SENTRY_DSN_FILE": str(tmp_path / "missing")})


def test_response_headers_are_named_in_any_case_or_none() -> None:
    """Both, one or none can be chosen, in any case."""
    for held, names in (
        ("x-response-time , X-REQUEST-ID", ("X-Request-ID", "X-Response-Time")),
        ("x-request-id", ("X-Request-ID",)),
        ("None", ()),
    ):
        settings = Settings.from_env({"ETTER_OBS_RESPONSE_HEADERS": held})
        assert settings.response_headers == names


def test_http_has_its_own_default_endpoint() -> None:
    """The HTTP protocol defaults to a URL with port 4318, gRPC to host:port with 4317."""
    http = Settings.from_env({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
    assert http.otlp_endpoint == "http://localhost:4318"
    assert Settings.from_env({}).otlp_endpoint == "localhost:4317"


@pytest.mark.parametrize(
    ("endpoint", "insecure"), [("https://c:4318", False), ("http://c:4318", True)]
)
def test_a_scheme_decides_about_tls(endpoint: str, insecure: bool) -> None:
    """Whatever OTEL_EXPORTER_OTLP_INSECURE says, as OpenTelemetry has it."""
    for said in ("true", "false", ""):
        given = {"OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_INSECURE": said}
        assert Settings.from_env(given).otlp_insecure is insecure


def test_without_a_scheme_a_variable_turns_tls_on() -> None:
    """OTEL_EXPORTER_OTLP_INSECURE=false turns TLS on; by default a host and port has none."""
    assert Settings.from_env({"OTLP_ENDPOINT": "c:4317"}).otlp_insecure is True
    said = {"OTLP_ENDPOINT": "c:4317", "OTEL_EXPORTER_OTLP_INSECURE": "false"}
    assert Settings.from_env(said).otlp_insecure is False


def test_the_sdk_can_be_disabled_by_its_standard_name() -> None:
    """OTEL_SDK_DISABLED wins over APM_ENABLED."""
    environment = {"APM_ENABLED": "true", "OTEL_SDK_DISABLED": "true"}
    assert Settings.from_env(environment).apm_enabled is False


def test_otlp_headers_are_pairs() -> None:
    """OTEL_EXPORTER_OTLP_HEADERS is read as OpenTelemetry writes it, and never shown."""
    given = Settings.from_env({"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, X-Scope=shop"})
    assert given.otlp_headers == (("api-key", "a b"), ("X-Scope", "shop"))
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"OTEL_EXPORTER_OTLP_HEADERS": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert "OTEL_EXPORTER_OTLP_HEADERS" in str(refused.value)


def test_the_batch_processors_standard_names_are_read() -> None:
    """OTEL_BSP_* and the exporter's timeout count milliseconds and spans, as the standard does."""
    given = Settings.from_env(
        {
            "OTEL_BSP_SCHEDULE_DELAY": "250",
            "OTEL_BSP_MAX_QUEUE_SIZE": "4096",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "10000",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        }
    )
    assert (given.span_delay, given.span_queue_size, given.span_batch_size) == (0.25, 4096, 4096)
    assert (given.otlp_timeout, given.otlp_compression) == (10.0, "gzip")


def test_a_batch_is_never_larger_than_the_queue() -> None:
    """A smaller queue makes the default batch smaller; a configured batch is refused instead."""
    assert Settings.from_env({"OTEL_BSP_MAX_QUEUE_SIZE": "100"}).span_batch_size == 100
    both = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "101"}
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(both)
    assert str(refused.value) == (
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE holds '101': it takes a whole number from 1 to 100, "
        "the value of OTEL_BSP_MAX_QUEUE_SIZE"
    )
