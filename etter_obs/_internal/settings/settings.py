"""The environment, read once into one frozen object. No other module of the package reads it.

If OpenTelemetry has a standard name for a variable, that name overrides its alias. A value that is
not accepted raises a ``SettingsError`` with the variable, its value and what it accepts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etter_obs._internal.conventions import Path as Paths
from etter_obs._internal.conventions import constants_of
from etter_obs._internal.settings import parsers as accepts
from etter_obs._internal.settings import variables as known
from etter_obs._internal.settings.environment import Environment, SettingsError, parsed
from etter_obs._internal.settings.otlp import OtlpTarget, otlp_target, signal_target
from etter_obs._internal.settings.parsers import OtlpCompression, OtlpProtocol
from etter_obs._internal.text.near_miss import did_you_mean


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings from the environment. Durations are in seconds, sizes in bytes or items.

    Raises:
        SettingsError: ``from_env`` raises it for the first variable with a wrong value. The
            constructor raises it for ``redact_names`` and ``redact_pattern``.
    """

    # the service; None uses the value of slo.yaml
    service_name: str | None = known.SERVICE_NAME.default
    service_version: str | None = known.SERVICE_VERSION.default
    environment: str | None = known.ENVIRONMENT.default
    slo_file: Path | None = known.SLO_FILE.default
    # logs
    log_level: str = known.LOG_LEVEL.default
    log_queue_size: int = known.LOG_QUEUE_SIZE.default
    log_max_bytes: int = known.LOG_MAX_BYTES.default
    redact_names: tuple[str, ...] = known.REDACT_NAMES.default
    redact_pattern: str | None = known.REDACT_PATTERN.default
    # metrics
    metrics_enabled: bool = known.METRICS_ENABLED.default
    metrics_path: str | None = known.METRICS_PATH.default
    """The path on the app's port; None does not serve it there."""
    metrics_token: str | None = known.METRICS_TOKEN.default
    metrics_series_cap: int = known.METRICS_SERIES_CAP.default
    multiproc_dir: Path | None = known.MULTIPROC_DIR.default
    # traces and OTLP
    apm_enabled: bool = known.APM_ENABLED.default
    otlp_endpoint: str = known.OTLP_ENDPOINTS[known.OTLP.protocol.default]
    otlp_protocol: OtlpProtocol = known.OTLP.protocol.default
    otlp_insecure: bool = known.OTLP.insecure.default
    otlp_headers: tuple[tuple[str, str], ...] = known.OTLP.headers.default
    otlp_certificate: Path | None = known.OTLP.certificate.default
    otlp_client_key: Path | None = known.OTLP.client_key.default
    otlp_client_certificate: Path | None = known.OTLP.client_certificate.default
    otlp_compression: OtlpCompression = known.OTLP.compression.default
    otlp_timeout: float | None = known.OTLP.timeout.default
    """Timeout for one request with its retries; None uses the default of each exporter."""
    otlp_targets: Mapping[str, OtlpTarget] = field(default_factory=dict)
    """Targets of the signals (``traces``, ``logs``) that have their own variables."""
    otlp_logs_enabled: bool = known.OTLP_LOGS_ENABLED.default
    excluded_urls: tuple[str, ...] = known.EXCLUDED_URLS.default
    """Regular expressions; a request whose URL matches one is not traced."""
    sampler: str = known.DEFAULT_SAMPLER
    sampler_ratio: float = known.SAMPLER_RATIO.default
    span_queue_size: int = known.SPAN_QUEUE_SIZE.default
    span_batch_size: int = known.SPAN_BATCH_SIZE.default
    span_delay: float = known.SPAN_DELAY.default
    # errors
    error_tracking_enabled: bool = known.ERROR_TRACKING_ENABLED.default
    sentry_dsn: str | None = known.SENTRY_DSN.default
    # health and the management port
    health_path: str | None = known.HEALTH_PATH.default
    """Path prefix of the health endpoints; None does not serve them on the app's port."""
    health_token: str | None = known.HEALTH_TOKEN.default
    health_timeout: float = known.HEALTH_TIMEOUT.default
    health_deadline: float = known.HEALTH_DEADLINE.default
    health_max_age: float = known.HEALTH_MAX_AGE.default
    drain_seconds: float = known.DRAIN_SECONDS.default
    management_host: str = known.MANAGEMENT_HOST.default
    management_port: int | None = known.MANAGEMENT_PORT.default
    # the console
    console: bool = known.CONSOLE.default
    """Whether the console is served: on the management port if there is one, else by the app."""
    # requests
    response_headers: tuple[str, ...] = known.RESPONSE_HEADERS.default
    """Headers that responses carry, out of ``Header``."""
    trusted_proxies: tuple[str, ...] = known.TRUSTED_PROXIES.default
    n_plus_one_threshold: int = known.N_PLUS_ONE_THRESHOLD.default
    shutdown_deadline: float = known.SHUTDOWN_DEADLINE.default

    def __post_init__(self) -> None:
        """Reject redaction rules that cannot work, whatever their source: secrets would leak."""
        for name in self.redact_names:
            parsed(known.REDACT_NAMES.names[0], name, accepts.secret_name, shown=name)
        pattern = self.redact_pattern
        if pattern is not None:
            parsed(known.REDACT_PATTERN.names[0], pattern, accepts.pattern, shown=pattern)

    @property
    def quiet_paths(self) -> tuple[str, ...]:
        """Paths excluded from request metrics, traces and access log, including subpaths."""
        console = Paths.CONSOLE if self.console and self.management_port is None else None
        fixed = (Paths.METRICS, Paths.HEALTH)
        chosen = (*fixed, self.metrics_path, self.health_path, console)
        return tuple(dict.fromkeys(path for path in chosen if path is not None))

    def otlp_target(self, signal: str) -> OtlpTarget:
        """Return where and how a signal (``traces``, ``logs``) is sent over OTLP."""
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
        """Read the settings from ``environ`` (default: the environment of the process).

        Raises:
            SettingsError: A variable has a value that it does not accept.
        """
        env = Environment(os.environ if environ is None else environ)
        otlp = otlp_target(env)
        signals = {name: signal_target(env, name, otlp) for name in ("traces", "logs")}
        queue = env.read(known.SPAN_QUEUE_SIZE)
        wanted, disabled = env.read(known.APM_ENABLED), env.read(known.SDK_DISABLED)
        sampler = env.read(known.SAMPLER)
        # If a sampler is set, the ratio defaults to that of OpenTelemetry's specification: 1.
        ratio = env.read(known.SAMPLER_RATIO, 1.0 if sampler else None)
        metrics_path, health_path = env.read(known.METRICS_PATH), env.read(known.HEALTH_PATH)
        _check_paths(metrics_path, health_path)
        tracking, dsn = env.read(known.ERROR_TRACKING_ENABLED), env.read(known.SENTRY_DSN)
        if tracking and dsn is None:
            raise SettingsError(
                known.SENTRY_DSN.names[0],
                None,
                "a DSN, because ERROR_TRACKING_ENABLED is true (or set that to false)",
            )
        return cls(
            service_name=env.read(known.SERVICE_NAME),
            service_version=env.read(known.SERVICE_VERSION),
            environment=env.read(known.ENVIRONMENT),
            slo_file=env.read(known.SLO_FILE),
            log_level=env.read(known.LOG_LEVEL),
            log_queue_size=env.read(known.LOG_QUEUE_SIZE),
            log_max_bytes=env.read(known.LOG_MAX_BYTES),
            redact_names=env.read(known.REDACT_NAMES),
            redact_pattern=env.read(known.REDACT_PATTERN),
            metrics_enabled=env.read(known.METRICS_ENABLED),
            metrics_token=env.read(known.METRICS_TOKEN),
            metrics_series_cap=env.read(known.METRICS_SERIES_CAP),
            multiproc_dir=env.read(known.MULTIPROC_DIR),
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
            otlp_logs_enabled=env.read(known.OTLP_LOGS_ENABLED),
            excluded_urls=env.read(known.EXCLUDED_URLS),
            sampler=sampler or known.DEFAULT_SAMPLER,
            sampler_ratio=ratio,
            span_queue_size=queue,
            span_batch_size=env.read(known.span_batch_size(queue)),
            span_delay=env.read(known.SPAN_DELAY),
            health_token=env.read(known.HEALTH_TOKEN),
            health_timeout=env.read(known.HEALTH_TIMEOUT),
            health_deadline=env.read(known.HEALTH_DEADLINE),
            health_max_age=env.read(known.HEALTH_MAX_AGE),
            drain_seconds=env.read(known.DRAIN_SECONDS),
            management_host=env.read(known.MANAGEMENT_HOST),
            management_port=env.read(known.MANAGEMENT_PORT),
            console=env.read(known.CONSOLE),
            response_headers=env.read(known.RESPONSE_HEADERS),
            trusted_proxies=env.read(known.TRUSTED_PROXIES),
            n_plus_one_threshold=env.read(known.N_PLUS_ONE_THRESHOLD),
            shutdown_deadline=env.read(known.SHUTDOWN_DEADLINE),
            metrics_path=metrics_path or None,
            health_path=health_path or None,
            error_tracking_enabled=tracking,
            sentry_dsn=dsn,
        )


def _check_paths(metrics: str, health: str) -> None:
    """Raise SettingsError if the metrics would be at the path of a health endpoint."""
    ends = [
        path.removeprefix(Paths.HEALTH)
        for path in constants_of(Paths)
        if path.startswith(Paths.HEALTH)
    ]
    if health and metrics in [health + end for end in ends]:
        raise SettingsError(
            known.METRICS_PATH.names[0],
            metrics,
            f"a path other than the health endpoints', such as {health}/live",
        )


def unread_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that look like ours but that nothing reads.

    Args:
        environ: The environment; None uses that of the process.

    Returns:
        Each name with a hint at the variable that may be meant; the hint is empty if none is near.
    """
    read = {
        name
        for variables in known.SECTIONS.values()
        for variable in variables
        for name in variable.documented_names
    }
    given = os.environ if environ is None else environ
    unread = sorted(name for name in given if name.startswith("ETTER_OBS_") and name not in read)
    return {name: did_you_mean(name, read) for name in unread}


def cache_root(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that ``make stack`` builds into, outside every checkout.

    It is ``$ETTER_OBS_CACHE``, else ``etter-obs`` in the user's cache folder.
    """
    env = Environment(os.environ if environ is None else environ)
    caches = env.read(known.XDG_CACHE_HOME) or Path.home() / ".cache"
    chosen = env.read(known.CACHE) or caches / "etter-obs"
    return chosen.expanduser().absolute()


def named_program(name: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the path in ``$ETTER_OBS_GRAFANA`` or ``$ETTER_OBS_TEMPO``, or ``off``, or nothing.

    Args:
        name: ``grafana`` or ``tempo``.
        environ: The environment; None uses that of the process.
    """
    return Environment(os.environ if environ is None else environ).read(known.PROGRAMS[name])
