"""The environment, read once into one frozen object. No other module of the package reads it.

The guide's names are accepted as they are written there. Where OpenTelemetry has a standard name
for the same thing, that name wins over the guide's. A value that cannot be right is a
:class:`SettingsError` that names the variable, what it held and what it takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

OtlpProtocol = Literal["grpc", "http/protobuf"]

_DEFAULT_SAMPLER: Final = "parentbased_traceidratio"
_SAMPLERS: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    _DEFAULT_SAMPLER,
)
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_ENDPOINT: Final = re.compile(
    r"^(?:https?://)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?(?:/\S*)?$"
)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DSN: Final = re.compile(r"^https?://[^@/\s]+@[^/\s]+/(?:\S+/)?\d+$")


class SettingsError(ValueError):
    """An environment variable holds what it cannot take.

    ``str()`` gives one line: the variable, what it held (secrets are not shown), what it takes.
    """

    def __init__(self, variable: str, held: str | None, takes: str) -> None:
        self.variable = variable
        shown = "" if held is None else f" holds {held!r}"
        super().__init__(f"{variable}{shown}: it takes {takes}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks for. Durations are seconds, sizes are bytes or items.

    Raises:
        SettingsError: from :meth:`from_env`, for the first variable that holds a wrong value.
    """

    # who we are; None means: what slo.yaml says
    service_name: str | None = None
    service_version: str | None = None
    environment: str | None = None
    slo_file: Path | None = None
    # logs
    log_level: str = "INFO"
    log_queue_size: int = 10_000
    log_max_bytes: int = 16_384
    # metrics
    metrics_enabled: bool = True
    metrics_token: str | None = None
    metrics_series_cap: int = 1_000
    multiproc_dir: Path | None = None
    # traces and OTLP
    apm_enabled: bool = False
    otlp_endpoint: str = "localhost:4317"
    otlp_protocol: OtlpProtocol = "grpc"
    otlp_insecure: bool = True
    otlp_headers: tuple[tuple[str, str], ...] = ()
    otlp_certificate: Path | None = None
    otlp_logs_enabled: bool = True
    sampler: str = _DEFAULT_SAMPLER
    sampler_ratio: float = 0.1
    # errors
    error_tracking_enabled: bool = False
    sentry_dsn: str | None = None
    # health and the management port
    health_token: str | None = None
    health_timeout: float = 2.0
    health_deadline: float = 5.0
    health_max_age: float = 5.0
    drain_seconds: float = 0.0
    management_host: str = "127.0.0.1"
    management_port: int | None = None
    # requests
    trusted_proxies: tuple[str, ...] = ()
    n_plus_one_threshold: int = 10
    shutdown_deadline: float = 5.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ``environ`` (default: the process's own environment).

        Raises:
            SettingsError: a variable holds a value that it cannot take.
        """
        env = _Environment(os.environ if environ is None else environ)
        protocol: OtlpProtocol = env.read(("OTEL_EXPORTER_OTLP_PROTOCOL",), _protocol, "grpc")
        default_endpoint = "localhost:4317" if protocol == "grpc" else "http://localhost:4318"
        endpoint = env.read(
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP_ENDPOINT"), _endpoint, default_endpoint
        )
        dsn = env.secret("SENTRY_DSN", _dsn)
        wanted = env.read(("APM_ENABLED",), _boolean, False)
        disabled = env.read(("OTEL_SDK_DISABLED",), _boolean, False)
        tracking = env.read(("ERROR_TRACKING_ENABLED",), _boolean, False)
        if tracking and dsn is None:
            raise SettingsError(
                "SENTRY_DSN",
                None,
                "a DSN, since ERROR_TRACKING_ENABLED is true (or set that to false)",
            )
        return cls(
            service_name=env.read(("OTEL_SERVICE_NAME", "SERVICE_NAME"), _text, None),
            service_version=env.read(("SERVICE_VERSION",), _text, None),
            environment=env.read(("ENVIRONMENT",), _text, None),
            slo_file=env.read(("ETTER_OBS_SLO_FILE",), _file, None),
            log_level=env.read(("LOG_LEVEL",), _level, "INFO"),
            log_queue_size=env.read(("ETTER_OBS_LOG_QUEUE_SIZE",), _integer(16), 10_000),
            log_max_bytes=env.read(("ETTER_OBS_LOG_MAX_BYTES",), _integer(512), 16_384),
            metrics_enabled=env.read(("ENABLE_METRICS",), _boolean, True),
            metrics_token=env.secret("ETTER_OBS_METRICS_TOKEN", _text),
            metrics_series_cap=env.read(("ETTER_OBS_METRICS_SERIES_CAP",), _integer(10), 1_000),
            multiproc_dir=env.read(("PROMETHEUS_MULTIPROC_DIR",), Path, None),
            apm_enabled=wanted and not disabled,
            otlp_endpoint=endpoint,
            otlp_protocol=protocol,
            otlp_insecure=env.read(
                ("OTEL_EXPORTER_OTLP_INSECURE",), _boolean, not endpoint.startswith("https://")
            ),
            otlp_headers=env.secret("OTEL_EXPORTER_OTLP_HEADERS", _headers) or (),
            otlp_certificate=env.read(("OTEL_EXPORTER_OTLP_CERTIFICATE",), _file, None),
            otlp_logs_enabled=env.read(("ETTER_OBS_OTLP_LOGS_ENABLED",), _boolean, True),
            sampler=env.read(("OTEL_TRACES_SAMPLER",), _one_of(*_SAMPLERS), _DEFAULT_SAMPLER),
            sampler_ratio=env.read(("OTEL_TRACES_SAMPLER_ARG",), _ratio, 0.1),
            error_tracking_enabled=tracking,
            sentry_dsn=dsn,
            health_token=env.secret("ETTER_OBS_HEALTH_TOKEN", _text),
            health_timeout=env.read(("ETTER_OBS_HEALTH_TIMEOUT",), _seconds, 2.0),
            health_deadline=env.read(("ETTER_OBS_HEALTH_DEADLINE",), _seconds, 5.0),
            health_max_age=env.read(("ETTER_OBS_HEALTH_MAX_AGE",), _seconds, 5.0),
            drain_seconds=env.read(("ETTER_OBS_DRAIN_SECONDS",), _seconds_or_none, 0.0),
            management_host=env.read(("ETTER_OBS_MANAGEMENT_HOST",), _text, "127.0.0.1"),
            management_port=env.read(("ETTER_OBS_MANAGEMENT_PORT",), _port, None),
            trusted_proxies=env.read(("ETTER_OBS_TRUSTED_PROXIES",), _networks, ()),
            n_plus_one_threshold=env.read(("ETTER_OBS_N_PLUS_ONE_THRESHOLD",), _integer(2), 10),
            shutdown_deadline=env.read(("ETTER_OBS_SHUTDOWN_DEADLINE",), _seconds, 5.0),
        )


class _Environment:
    """Looks variables up by several names, the first that is set wins."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def read(self, names: tuple[str, ...], parse: Callable[[str], T], default: T | None) -> T:
        for name in names:
            held = self._values.get(name, "").strip()
            if held:
                return _parse(name, held, parse, shown=held)
        return default  # type: ignore[return-value]  # None only where the field allows it

    def secret(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Read ``NAME``, or the file that ``NAME_FILE`` names; its value is never shown."""
        held = self._values.get(name, "").strip()
        if held:
            return _parse(name, held, parse, shown=None)
        path = self._values.get(f"{name}_FILE", "").strip()
        if not path:
            return None
        try:
            content = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise SettingsError(f"{name}_FILE", path, "the path of a readable text file") from None
        return _parse(f"{name}_FILE", content, parse, shown=None) if content else None


def _parse(name: str, held: str, parse: Callable[[str], T], shown: str | None) -> T:
    try:
        return parse(held)
    except ValueError as error:
        raise SettingsError(name, shown, str(error)) from None


# Parsers raise ValueError whose text completes the sentence "it takes …".


def _boolean(text: str) -> bool:
    value = {"true": True, "1": True, "yes": True, "on": True}.get(text.lower())
    if value is None and text.lower() not in ("false", "0", "no", "off"):
        raise ValueError("true or false")
    return bool(value)


def _text(text: str) -> str:
    if len(text) > 256 or not text.isprintable():
        raise ValueError("at most 256 printable characters")
    return text


def _networks(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return tuple(str(ip_network(part)) for part in parts)
    except ValueError:
        raise ValueError(
            "addresses or networks, such as 10.0.0.0/8, 2001:db8::1, with commas between them"
        ) from None


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    """Read pairs as OpenTelemetry writes them: ``name=value``, comma between, percent-encoded."""
    pairs = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not _HEADER.fullmatch(name.strip()):
            raise ValueError("name=value pairs with commas between them, such as api-key=secret")
        pairs.append((name.strip(), unquote(value.strip())))
    return tuple(pairs)


def _level(text: str) -> str:
    if text.upper() not in _LEVELS:
        raise ValueError(f"one of {', '.join(_LEVELS)}")
    return text.upper()


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def _protocol(text: str) -> OtlpProtocol:
    if text == "grpc":
        return "grpc"
    if text == "http/protobuf":
        return "http/protobuf"
    raise ValueError("grpc or http/protobuf")


def _integer(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < minimum:
            raise ValueError(f"a whole number from {minimum} up")
        return int(text)

    return parse


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 65_535:
        raise ValueError("a port, 0 to 65535 (0: any free one)")
    return int(text)


def _ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ValueError("a number from 0 to 1")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 3_600.0:
        raise ValueError("seconds, more than 0 and less than 3600")
    return value


def _seconds_or_none(text: str) -> float:
    return 0.0 if text in ("0", "0.0") else _seconds(text)


def _endpoint(text: str) -> str:
    if not _ENDPOINT.match(text):
        raise ValueError("host:port or a URL, such as localhost:4317 or https://collector:4318")
    return text


def _dsn(text: str) -> str:
    if not _DSN.match(text):
        raise ValueError("a Sentry DSN, https://<key>@<host>/<project number>")
    return text


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("the path of a file that exists")
    return path
