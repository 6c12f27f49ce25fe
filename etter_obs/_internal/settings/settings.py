"""The environment, read once into one frozen object. No other module of the package reads it.

The guide's names are accepted as they are written there. Where OpenTelemetry has a standard name
for the same thing, that name wins over the guide's. A value that cannot be right is a
:class:`SettingsError` that names the variable, what it held and what it takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from etter_obs._internal.conventions import Header
from etter_obs._internal.conventions import Path as Paths
from etter_obs._internal.settings import parsers as takes
from etter_obs._internal.settings.parsers import OtlpCompression, OtlpProtocol

T = TypeVar("T")

_REDACT_NAMES: Final = "ETTER_OBS_REDACT_NAMES"
_REDACT_PATTERN: Final = "ETTER_OBS_REDACT_PATTERN"
_SAMPLER: Final = "parentbased_traceidratio"
_RATIO: Final = 0.1
_SPAN_QUEUE: Final = 2048
_SPAN_BATCH: Final = 512
_SPAN_DELAY: Final = 2.0
"""OpenTelemetry's is 5 s; a trace should be there when somebody clicks on its exemplar."""


class SettingsError(ValueError):
    """An environment variable holds what it cannot take.

    ``str()`` gives one line: the variable, what it held (secrets are not shown), what it takes.
    """

    def __init__(self, variable: str, held: str | None, takes: str) -> None:
        self.variable = variable
        shown = "" if held is None else f" holds {held!r}"
        super().__init__(f"{variable}{shown}: it takes {takes}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpTarget:
    """Where one signal goes by OTLP, and how."""

    endpoint: str
    protocol: OtlpProtocol
    insecure: bool
    headers: tuple[tuple[str, str], ...]
    certificate: Path | None
    client_key: Path | None
    client_certificate: Path | None
    compression: OtlpCompression
    timeout: float | None
    """Seconds for one request with its retries; None: the default of each signal."""
    is_whole: bool = False
    """Whether the endpoint is the whole URL, to which no path of the signal is added."""

    @property
    def url(self) -> str:
        """The endpoint with a scheme, as OTLP over HTTP needs it."""
        if "://" in self.endpoint:
            return self.endpoint
        return f"{'http' if self.insecure else 'https'}://{self.endpoint}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks for. Durations are seconds, sizes are bytes or items.

    Raises:
        SettingsError: from :meth:`from_env`, for the first variable that holds a wrong value; for
            ``redact_names`` and ``redact_pattern`` always.
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
    redact_names: tuple[str, ...] = ()
    redact_pattern: str | None = None
    # metrics
    metrics_enabled: bool = True
    metrics_path: str | None = Paths.METRICS.value
    """On the app's port; None: not there."""
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
    otlp_client_key: Path | None = None
    otlp_client_certificate: Path | None = None
    otlp_compression: OtlpCompression = "none"
    otlp_timeout: float | None = None
    """For one request, with what it is tried again; None: the default of each exporter."""
    otlp_targets: Mapping[str, OtlpTarget] = field(default_factory=dict)
    """Of the signals (``traces``, ``logs``) that have variables of their own."""
    otlp_logs_enabled: bool = True
    excluded_urls: tuple[str, ...] = ()
    """Regular expressions; a request whose URL one is found in is not traced."""
    sampler: str = _SAMPLER
    sampler_ratio: float = _RATIO
    span_queue_size: int = _SPAN_QUEUE
    span_batch_size: int = _SPAN_BATCH
    span_delay: float = _SPAN_DELAY
    # errors
    error_tracking_enabled: bool = False
    sentry_dsn: str | None = None
    # health and the management port
    health_path: str | None = Paths.HEALTH.value
    """What the paths of the health endpoints begin with; None: not on the app's port."""
    health_token: str | None = None
    health_timeout: float = 2.0
    health_deadline: float = 5.0
    health_max_age: float = 5.0
    drain_seconds: float = 0.0
    management_host: str = "127.0.0.1"
    management_port: int | None = None
    # requests
    response_headers: tuple[str, ...] = tuple(Header)
    """Those that responses carry, of what :class:`Header` names."""
    trusted_proxies: tuple[str, ...] = ()
    n_plus_one_threshold: int = 10
    shutdown_deadline: float = 3.0

    def __post_init__(self) -> None:
        """Refuse rules of redaction that cannot work, whoever gives them: else secrets come out."""
        for name in self.redact_names:
            _parse(_REDACT_NAMES, name, takes.secret_name, shown=name)
        if self.redact_pattern is not None:
            _parse(_REDACT_PATTERN, self.redact_pattern, takes.pattern, shown=self.redact_pattern)

    @property
    def quiet_paths(self) -> tuple[str, ...]:
        """Paths that stay out of request metrics, traces and access log, with all below them."""
        chosen = (Paths.METRICS.value, Paths.HEALTH.value, self.metrics_path, self.health_path)
        return tuple(dict.fromkeys(path for path in chosen if path is not None))

    def otlp_target(self, signal: str) -> OtlpTarget:
        """Return where a signal (``traces``, ``logs``) goes by OTLP, and how."""
        return self.otlp_targets.get(signal) or OtlpTarget(
            endpoint=self.otlp_endpoint,
            protocol=self.otlp_protocol,
            insecure=self.otlp_insecure,
            headers=self.otlp_headers,
            certificate=self.otlp_certificate,
            client_key=self.otlp_client_key,
            client_certificate=self.otlp_client_certificate,
            compression=self.otlp_compression,
            timeout=self.otlp_timeout,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ``environ`` (default: the process's own environment).

        Raises:
            SettingsError: a variable holds a value that it cannot take.
        """
        env = _Environment(os.environ if environ is None else environ)
        otlp = _otlp(env, "", None)
        assert otlp is not None, "without a signal there are always defaults"  # noqa: S101
        signals = {name: _otlp(env, f"{name.upper()}_", otlp) for name in ("traces", "logs")}
        queue = env.read(("OTEL_BSP_MAX_QUEUE_SIZE",), takes.integer(1, 1_000_000), _SPAN_QUEUE)
        dsn = env.secret("SENTRY_DSN", takes.dsn)
        wanted = env.read(("APM_ENABLED",), takes.boolean, False)
        disabled = env.read(("OTEL_SDK_DISABLED",), takes.boolean, False)
        tracking = env.read(("ERROR_TRACKING_ENABLED",), takes.boolean, False)
        if tracking and dsn is None:
            raise SettingsError(
                "SENTRY_DSN",
                None,
                "a DSN, since ERROR_TRACKING_ENABLED is true (or set that to false)",
            )
        metrics_path = env.read(("ETTER_OBS_METRICS_PATH",), takes.path, Paths.METRICS.value)
        health_path = env.read(("ETTER_OBS_HEALTH_PATH",), takes.path, Paths.HEALTH.value)
        ends = [path.removeprefix(Paths.HEALTH) for path in Paths if path.startswith(Paths.HEALTH)]
        if health_path and metrics_path in [health_path + end for end in ends]:
            raise SettingsError(
                "ETTER_OBS_METRICS_PATH",
                metrics_path,
                f"another path than those of health, {health_path}/live and so on",
            )
        sampler = env.read(("OTEL_TRACES_SAMPLER",), takes.one_of(takes.SAMPLERS), None)
        return cls(
            service_name=env.read(("OTEL_SERVICE_NAME", "SERVICE_NAME"), takes.text, None),
            service_version=env.read(("SERVICE_VERSION",), takes.text, None),
            environment=env.read(("ENVIRONMENT",), takes.name, None),
            slo_file=env.read(("ETTER_OBS_SLO_FILE",), takes.file, None),
            log_level=env.read(("LOG_LEVEL",), takes.level, "INFO"),
            log_queue_size=env.read(("ETTER_OBS_LOG_QUEUE_SIZE",), takes.integer(16), 10_000),
            log_max_bytes=env.read(("ETTER_OBS_LOG_MAX_BYTES",), takes.integer(512), 16_384),
            redact_names=env.read((_REDACT_NAMES,), takes.items, ()),
            redact_pattern=env.read((_REDACT_PATTERN,), str, None),
            metrics_enabled=env.read(("ENABLE_METRICS",), takes.boolean, True),
            metrics_path=metrics_path or None,
            metrics_token=env.secret("ETTER_OBS_METRICS_TOKEN", takes.text),
            metrics_series_cap=env.read(
                ("ETTER_OBS_METRICS_SERIES_CAP",), takes.integer(10), 1_000
            ),
            multiproc_dir=env.read(("PROMETHEUS_MULTIPROC_DIR",), Path, None),
            apm_enabled=wanted and not disabled,
            otlp_endpoint=otlp.endpoint,
            otlp_protocol=otlp.protocol,
            otlp_insecure=otlp.insecure,
            otlp_headers=otlp.headers,
            otlp_certificate=otlp.certificate,
            otlp_client_key=otlp.client_key,
            otlp_client_certificate=otlp.client_certificate,
            otlp_compression=otlp.compression,
            otlp_timeout=otlp.timeout,
            otlp_targets={name: own for name, own in signals.items() if own is not None},
            otlp_logs_enabled=env.read(("ETTER_OBS_OTLP_LOGS_ENABLED",), takes.boolean, True),
            excluded_urls=env.read(
                ("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS"),
                takes.patterns,
                (),
            ),
            sampler=sampler or _SAMPLER,
            # Whoever names a sampler gets what OpenTelemetry's specification says of it: all.
            sampler_ratio=env.read(
                ("OTEL_TRACES_SAMPLER_ARG",), takes.ratio, 1.0 if sampler else _RATIO
            ),
            span_queue_size=queue,
            span_batch_size=env.read(
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",),
                takes.integer(1, queue, ", the spans that OTEL_BSP_MAX_QUEUE_SIZE lets wait"),
                min(_SPAN_BATCH, queue),
            ),
            span_delay=env.read(
                ("OTEL_BSP_SCHEDULE_DELAY",), takes.milliseconds(minimum=1), _SPAN_DELAY
            ),
            error_tracking_enabled=tracking,
            sentry_dsn=dsn,
            health_path=health_path or None,
            health_token=env.secret("ETTER_OBS_HEALTH_TOKEN", takes.text),
            health_timeout=env.read(("ETTER_OBS_HEALTH_TIMEOUT",), takes.seconds, 2.0),
            health_deadline=env.read(("ETTER_OBS_HEALTH_DEADLINE",), takes.seconds, 5.0),
            health_max_age=env.read(("ETTER_OBS_HEALTH_MAX_AGE",), takes.seconds, 5.0),
            drain_seconds=env.read(("ETTER_OBS_DRAIN_SECONDS",), takes.seconds_or_none, 0.0),
            management_host=env.read(("ETTER_OBS_MANAGEMENT_HOST",), takes.text, "127.0.0.1"),
            management_port=env.read(("ETTER_OBS_MANAGEMENT_PORT",), takes.port, None),
            response_headers=env.read(
                ("ETTER_OBS_RESPONSE_HEADERS",), takes.some_of(tuple(Header)), tuple(Header)
            ),
            trusted_proxies=env.read(("ETTER_OBS_TRUSTED_PROXIES",), takes.proxies, ()),
            n_plus_one_threshold=env.read(
                ("ETTER_OBS_N_PLUS_ONE_THRESHOLD",), takes.integer(2), 10
            ),
            shutdown_deadline=env.read(("ETTER_OBS_SHUTDOWN_DEADLINE",), takes.seconds, 3.0),
        )


def cache_root(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that ``make stack`` builds into, outside every checkout.

    It is ``$ETTER_OBS_CACHE``, else ``etter-obs`` in the user's cache folder.
    """
    env = _Environment(os.environ if environ is None else environ)
    caches: Path = env.read(("XDG_CACHE_HOME",), Path, Path.home() / ".cache")
    chosen: Path = env.read(("ETTER_OBS_CACHE",), Path, caches / "etter-obs")
    return chosen.expanduser().absolute()


def _otlp(env: _Environment, signal: str, base: OtlpTarget | None) -> OtlpTarget | None:
    """Read the variables of OTLP, or those of a signal (``TRACES_``), which win over ``base``.

    Returns None where the signal has none of its own.
    """
    start = f"OTEL_EXPORTER_OTLP_{signal}"
    alias = () if signal else ("OTLP_ENDPOINT",)
    if base is not None and not env.has(start):
        return None
    protocol: OtlpProtocol = env.read(
        (f"{start}PROTOCOL",), takes.one_of(takes.OTLP_PROTOCOLS), base.protocol if base else "grpc"
    )
    same = base is not None and base.protocol == protocol
    default = "localhost:4317" if protocol == "grpc" else "http://localhost:4318"
    own: str | None = env.read((f"{start}ENDPOINT", *alias), takes.endpoint, None)
    endpoint = own or (base.endpoint if base and same else default)
    insecure = env.read((f"{start}INSECURE",), takes.boolean, base.insecure if base else True)
    client = {
        name: env.read((f"{start}{name}",), takes.file, None)
        for name in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")
    }
    key = client["CLIENT_KEY"] or (base.client_key if base else None)
    certificate = client["CLIENT_CERTIFICATE"] or (base.client_certificate if base else None)
    if key is not None and certificate is None:
        raise SettingsError(
            f"{start}CLIENT_CERTIFICATE", None, f"a file, since {start}CLIENT_KEY is set"
        )
    headers = env.secret(f"{start}HEADERS", takes.headers)
    return OtlpTarget(
        endpoint=endpoint,
        protocol=protocol,
        insecure=insecure if "://" not in endpoint else endpoint.startswith("http://"),
        headers=headers if headers is not None else (base.headers if base else ()),
        certificate=client["CERTIFICATE"] or (base.certificate if base else None),
        client_key=key,
        client_certificate=certificate,
        compression=env.read(
            (f"{start}COMPRESSION",),
            takes.one_of(takes.OTLP_COMPRESSIONS),
            base.compression if base else "none",
        ),
        # From 100 up: OpenTelemetry counts milliseconds, its Python exporters alone seconds.
        timeout=env.read(
            (f"{start}TIMEOUT",), takes.milliseconds(minimum=100), base.timeout if base else None
        ),
        # https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
        is_whole=bool(signal) and own is not None,
    )


class _Environment:
    """Looks variables up by several names, the first that is set wins."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def has(self, start: str) -> bool:
        """Return whether a variable is set whose name begins so."""
        return any(name.startswith(start) and held.strip() for name, held in self._values.items())

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
