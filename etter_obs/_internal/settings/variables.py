"""Every environment variable: its names, parser, default and documentation.

The tables of docs/settings.md are generated from this module (``make generate``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from etter_obs._internal.conventions import Header, constants_of
from etter_obs._internal.conventions import Path as Paths
from etter_obs._internal.settings import parsers as accepts
from etter_obs._internal.settings.environment import Variable
from etter_obs._internal.settings.parsers import OtlpCompression, OtlpProtocol

_BOOLEAN: Final = "true or false"

# -- the service ----------------------------------------------------------------------------------
SERVICE_NAME: Final = Variable[str | None](
    ("OTEL_SERVICE_NAME", "SERVICE_NAME"), accepts.text, None, "text", "`service` of slo.yaml"
)
SERVICE_VERSION: Final = Variable[str | None](("SERVICE_VERSION",), accepts.text, None, "text")
ENVIRONMENT: Final = Variable[str | None](
    ("ENVIRONMENT",),
    accepts.name,
    None,
    "a name as in slo.yaml: lower-case letters, digits, dashes",
    "`environment` of slo.yaml",
)
SLO_FILE: Final = Variable[Path | None](
    ("ETTER_OBS_SLO_FILE",),
    accepts.file,
    None,
    "the path of a slo.yaml",
    "the package's example, with a warning at start that names a slo.yaml near the app, and "
    "`etter_slo_default_targets` at 1",
)

# -- logs -----------------------------------------------------------------------------------------
LOG_LEVEL: Final = Variable(
    ("LOG_LEVEL",), accepts.level, "INFO", "DEBUG, INFO, WARNING, ERROR, CRITICAL"
)
LOG_QUEUE_SIZE: Final = Variable(
    ("ETTER_OBS_LOG_QUEUE_SIZE",),
    accepts.integer(16),
    10_000,
    "lines that may wait for the writer; more are dropped and counted",
)
LOG_MAX_BYTES: Final = Variable(
    ("ETTER_OBS_LOG_MAX_BYTES",),
    accepts.integer(512),
    16_384,
    "longest line in bytes; a longer one is cut and marked",
)
REDACT_NAMES: Final = Variable[tuple[str, ...]](
    ("ETTER_OBS_REDACT_NAMES",),
    accepts.items,
    (),
    "[names of secrets](logs.md#your-own-rules) of your own, separated by commas",
)
REDACT_PATTERN: Final = Variable[str | None](
    ("ETTER_OBS_REDACT_PATTERN",),
    str,
    None,
    "a regular expression (RE2) for [secrets of your own](logs.md#your-own-rules); requires "
    "`etter-obs[redaction]`",
)

# -- metrics --------------------------------------------------------------------------------------
METRICS_ENABLED: Final = Variable(("ENABLE_METRICS",), accepts.boolean, True, _BOOLEAN)
METRICS_PATH: Final = Variable(
    ("ETTER_OBS_METRICS_PATH",),
    accepts.path,
    Paths.METRICS,
    "a [path](health.md#the-apps-own-routes), or none: not on the app's port",
)
METRICS_TOKEN: Final = Variable[str | None](
    ("ETTER_OBS_METRICS_TOKEN",),
    accepts.text,
    None,
    "a [bearer token](metrics.md#a-token) for `/metrics`",
    "none: open",
    is_secret=True,
)
METRICS_SERIES_CAP: Final = Variable(
    ("ETTER_OBS_METRICS_SERIES_CAP",),
    accepts.integer(10),
    1_000,
    "label sets per metric; the rest share one overflow series",
)
MULTIPROC_DIR: Final = Variable[Path | None](
    ("PROMETHEUS_MULTIPROC_DIR",),
    Path,
    None,
    "a directory that the workers share",
    "created for the server's workers",
)

# -- traces and OTLP ------------------------------------------------------------------------------
APM_ENABLED: Final = Variable(
    ("APM_ENABLED",), accepts.boolean, False, "true or false: traces, and logs over OTLP"
)
SDK_DISABLED: Final = Variable(
    ("OTEL_SDK_DISABLED",), accepts.boolean, False, "true turns `APM_ENABLED` off"
)
OTLP_LOGS_ENABLED: Final = Variable(
    ("ETTER_OBS_OTLP_LOGS_ENABLED",), accepts.boolean, True, _BOOLEAN
)
EXCLUDED_URLS: Final = Variable[tuple[str, ...]](
    ("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS"),
    accepts.patterns,
    (),
    "regular expressions, separated by commas; a request whose URL matches one leaves no span",
)
DEFAULT_SAMPLER: Final = "parentbased_traceidratio"
SAMPLER: Final = Variable[str | None](
    ("OTEL_TRACES_SAMPLER",),
    accepts.one_of(accepts.SAMPLERS),
    None,
    ", ".join(accepts.SAMPLERS),
    f"`{DEFAULT_SAMPLER}`",
)
SAMPLER_RATIO: Final = Variable(
    ("OTEL_TRACES_SAMPLER_ARG",),
    accepts.ratio,
    0.1,
    "a number from 0 to 1: the share of traces that the ratio samplers keep",
    "`0.1`; `1` if `OTEL_TRACES_SAMPLER` is set, as OpenTelemetry specifies",
)
SPAN_QUEUE_SIZE: Final = Variable(
    ("OTEL_BSP_MAX_QUEUE_SIZE",),
    accepts.integer(1, 1_000_000),
    2048,
    "spans that may wait for the exporter, at most 1000000; more are dropped and counted",
)


def span_batch_size(queue: int) -> Variable[int]:
    """Return the variable of the batch size, limited by ``queue``, the size of the span queue."""
    return Variable(
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",),
        accepts.integer(1, queue, ", the value of OTEL_BSP_MAX_QUEUE_SIZE"),
        min(512, queue),
        "spans in one request, at most the size of the queue",
        "`512`, or the size of the queue if that is less",
    )


SPAN_BATCH_SIZE: Final = span_batch_size(SPAN_QUEUE_SIZE.default)
SPAN_DELAY: Final = Variable(
    ("OTEL_BSP_SCHEDULE_DELAY",),
    accepts.milliseconds(minimum=1),
    2.0,  # OpenTelemetry's default is 5 s; a trace must exist when its exemplar is clicked
    "whole milliseconds, 1 to 3600000, that a span waits for a batch to fill",
    "`2000`",
)


OTLP_ENDPOINTS: Final[dict[OtlpProtocol, str]] = {
    "grpc": "localhost:4317",
    "http/protobuf": "http://localhost:4318",
}
"""The default endpoint of each protocol."""


class OtlpVariables:
    """The variables of OTLP: those of all signals, or those of one signal, which override them.

    Args:
        signal: Empty, ``TRACES_`` or ``LOGS_``.
    """

    def __init__(self, signal: str = "") -> None:
        self.prefix: Final = f"OTEL_EXPORTER_OTLP_{signal}"
        self.endpoint = Variable[str | None](
            (f"{self.prefix}ENDPOINT", *(() if signal else ("OTLP_ENDPOINT",))),
            accepts.endpoint,
            None,
            "host:port or a URL",
            f"`{OTLP_ENDPOINTS['grpc']}` (gRPC), `{OTLP_ENDPOINTS['http/protobuf']}` (HTTP)",
        )
        self.protocol = Variable[OtlpProtocol](
            (f"{self.prefix}PROTOCOL",),
            accepts.one_of(accepts.OTLP_PROTOCOLS),
            "grpc",
            ", ".join(accepts.OTLP_PROTOCOLS),
        )
        self.insecure = Variable[bool](
            (f"{self.prefix}INSECURE",),
            accepts.boolean,
            True,
            "true or false; false uses TLS for an endpoint without a scheme. `https://` always "
            "uses TLS, `http://` never",
        )
        self.headers = Variable[tuple[tuple[str, str], ...]](
            (f"{self.prefix}HEADERS",),
            accepts.headers,
            (),
            "name=value pairs, separated by commas",
            is_secret=True,
        )
        self.certificate = Variable[Path | None](
            (f"{self.prefix}CERTIFICATE",),
            accepts.file,
            None,
            "a file of certificates to verify the collector's against",
            "the system's",
        )
        self.client_key = Variable[Path | None](
            (f"{self.prefix}CLIENT_KEY",),
            accepts.file,
            None,
            "a file with the client's key, for mutual TLS",
        )
        self.client_certificate = Variable[Path | None](
            (f"{self.prefix}CLIENT_CERTIFICATE",),
            accepts.file,
            None,
            "a file with the client's certificate, for mutual TLS",
        )
        self.compression = Variable[OtlpCompression](
            (f"{self.prefix}COMPRESSION",),
            accepts.one_of(accepts.OTLP_COMPRESSIONS),
            "none",
            ", ".join(accepts.OTLP_COMPRESSIONS),
        )
        self.timeout = Variable[float | None](
            (f"{self.prefix}TIMEOUT",),
            # At least 100: the OpenTelemetry specification counts in milliseconds, but its Python
            # exporters count in seconds.
            accepts.milliseconds(minimum=100),
            None,
            "whole milliseconds, 100 to 3600000, for a request with its retries",
            "`10000` for spans, `5000` for log lines",
        )


OTLP: Final = OtlpVariables()

# -- errors ---------------------------------------------------------------------------------------
ERROR_TRACKING_ENABLED: Final = Variable(
    ("ERROR_TRACKING_ENABLED",),
    accepts.boolean,
    False,
    "true or false; true requires `SENTRY_DSN`",
)
SENTRY_DSN: Final = Variable[str | None](
    ("SENTRY_DSN",), accepts.dsn, None, "a Sentry DSN", is_secret=True
)

# -- health and the management port ---------------------------------------------------------------
HEALTH_PATH: Final = Variable(
    ("ETTER_OBS_HEALTH_PATH",),
    accepts.path,
    Paths.HEALTH,
    "the prefix of the endpoints' [paths](health.md#the-apps-own-routes), or none: not on the "
    "app's port",
)
HEALTH_TOKEN: Final = Variable[str | None](
    ("ETTER_OBS_HEALTH_TOKEN",),
    accepts.text,
    None,
    "a bearer token for `/health/detailed`",
    is_secret=True,
)
HEALTH_TIMEOUT: Final = Variable(
    ("ETTER_OBS_HEALTH_TIMEOUT",), accepts.seconds, 2.0, "seconds that one check may take"
)
HEALTH_DEADLINE: Final = Variable(
    ("ETTER_OBS_HEALTH_DEADLINE",), accepts.seconds, 5.0, "seconds that all checks may take"
)
HEALTH_MAX_AGE: Final = Variable(
    ("ETTER_OBS_HEALTH_MAX_AGE",),
    accepts.seconds,
    5.0,
    "seconds for which a check's result is reused",
)
DRAIN_SECONDS: Final = Variable(
    ("ETTER_OBS_DRAIN_SECONDS",),
    accepts.seconds_or_none,
    0.0,
    "seconds between SIGTERM, when `/health/ready` turns to 503, and the server's own shutdown; "
    "0: none. Under uvicorn; [others](health.md#the-end-of-a-process) need a preStop hook",
)
MANAGEMENT_PORT: Final = Variable[int | None](
    ("ETTER_OBS_MANAGEMENT_PORT",),
    accepts.port,
    None,
    "a separate port for `/metrics` and `/health/…`; 0: any free port",
)
MANAGEMENT_HOST: Final = Variable(
    ("ETTER_OBS_MANAGEMENT_HOST",),
    accepts.text,
    "127.0.0.1",
    "the address that the management port binds to",
)

# -- the console ----------------------------------------------------------------------------------
CONSOLE: Final = Variable(
    ("ETTER_OBS_CONSOLE",),
    accepts.boolean,
    False,
    "true or false; true serves the [console](console.md) at `/_obs/`, to loopback and with a "
    "token that the start prints",
)

# -- requests -------------------------------------------------------------------------------------
_HEADERS: Final = constants_of(Header)
RESPONSE_HEADERS: Final = Variable[tuple[str, ...]](
    ("ETTER_OBS_RESPONSE_HEADERS",),
    accepts.some_of(_HEADERS),
    _HEADERS,
    f"the headers that responses carry: {', '.join(_HEADERS)}, separated by commas, or none",
    "both",
)
TRUSTED_PROXIES: Final = Variable[tuple[str, ...]](
    ("ETTER_OBS_TRUSTED_PROXIES",),
    accepts.proxies,
    (),
    "addresses or networks, separated by commas, whose X-Forwarded-For is trusted; IPv4 ones "
    "also in the form `::ffff:…`; `unix:` for clients of the server's Unix socket, which have no "
    "address",
)
N_PLUS_ONE_THRESHOLD: Final = Variable(
    ("ETTER_OBS_N_PLUS_ONE_THRESHOLD",),
    accepts.integer(2),
    10,
    "a request that runs one statement this many times or more is reported",
)
SHUTDOWN_DEADLINE: Final = Variable(
    ("ETTER_OBS_SHUTDOWN_DEADLINE",),
    accepts.seconds,
    3.0,
    "seconds that shutdown may take to flush, for all signals together",
)

# -- the command line -----------------------------------------------------------------------------
CACHE: Final = Variable[Path | None](
    ("ETTER_OBS_CACHE",),
    Path,
    None,
    "the folder that `make stack` builds into; `etter-obs check` looks there for promtool and "
    "amtool",
    "`etter-obs` in the user's cache folder",
)
XDG_CACHE_HOME: Final = Variable[Path | None](
    ("XDG_CACHE_HOME",), Path, None, "the user's cache folder", "`~/.cache`"
)
PROGRAMS: Final = {
    "grafana": Variable[str](
        ("ETTER_OBS_GRAFANA",),
        str,
        "",
        "the Grafana that `python -m stack up` and `make demo` run natively, or `off`",
        "`grafana` on the PATH, if there is one",
    ),
    "tempo": Variable[str](
        ("ETTER_OBS_TEMPO",),
        str,
        "",
        "the Tempo that they run, or `off`",
        "`tempo` on the PATH, if it has the major version of docker-compose.yml",
    ),
}

SECTIONS: Final[dict[str, tuple[Variable[Any], ...]]] = {
    "service": (SERVICE_NAME, SERVICE_VERSION, ENVIRONMENT, SLO_FILE),
    "logs": (LOG_LEVEL, LOG_QUEUE_SIZE, LOG_MAX_BYTES, REDACT_NAMES, REDACT_PATTERN),
    "metrics": (
        METRICS_ENABLED,
        METRICS_PATH,
        METRICS_TOKEN,
        METRICS_SERIES_CAP,
        MULTIPROC_DIR,
    ),
    "traces": (
        APM_ENABLED,
        SDK_DISABLED,
        OTLP.endpoint,
        OTLP.protocol,
        OTLP.insecure,
        OTLP.headers,
        OTLP.certificate,
        OTLP.client_key,
        OTLP.client_certificate,
        OTLP.compression,
        OTLP.timeout,
        OTLP_LOGS_ENABLED,
        EXCLUDED_URLS,
        SAMPLER,
        SAMPLER_RATIO,
        SPAN_QUEUE_SIZE,
        SPAN_BATCH_SIZE,
        SPAN_DELAY,
    ),
    "errors": (ERROR_TRACKING_ENABLED, SENTRY_DSN),
    "health": (
        HEALTH_PATH,
        HEALTH_TOKEN,
        HEALTH_TIMEOUT,
        HEALTH_DEADLINE,
        HEALTH_MAX_AGE,
        DRAIN_SECONDS,
        MANAGEMENT_PORT,
        MANAGEMENT_HOST,
    ),
    "console": (CONSOLE,),
    "requests": (RESPONSE_HEADERS, TRUSTED_PROXIES, N_PLUS_ONE_THRESHOLD, SHUTDOWN_DEADLINE),
    "command-line": (CACHE, XDG_CACHE_HOME, *PROGRAMS.values()),
}
"""The tables of the documentation, by section."""
