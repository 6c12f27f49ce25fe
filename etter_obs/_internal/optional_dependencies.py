"""What works only with packages of an extra: whether they are usable, and what is said if not.

A package that is absent, too old or broken costs the part that needs it, never the app: that part
is left out, with one warning, and ``etter-obs doctor`` names it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from etter_obs._internal.settings import Settings

T = TypeVar("T")

_LOG: Final = logging.getLogger("etter_obs")
_BOUND: Final = re.compile(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)")
_warned: Final[set[str]] = set()


@dataclass(frozen=True)
class Part:
    """A part of this package that needs packages which not every app has.

    Args:
        name: what is left out without them, as the subject of a sentence in the plural.
        extra: the extra of this package that brings them.
        needs: names of distributions, each with a module of it.
        off: the setting with which the part is not wanted, if there is one.
    """

    name: str
    extra: str
    needs: tuple[tuple[str, str], ...]
    off: str = ""

    def attempt(self, make: Callable[[], T]) -> T | None:
        """Return what ``make()`` returns; None, with one warning a process, where it cannot be."""
        fault = self.fault()
        if fault is None:
            try:
                return make()
            except Exception as error:  # noqa: BLE001  # whatever a package of others raises
                fault = f"{type(error).__name__}: {error}"
        if self.name not in _warned:
            _warned.add(self.name)
            _LOG.warning("%s are disabled: %s", self.name, self.remedy(fault))
        return None

    def require(self) -> None:
        """Do nothing where the packages can be used: for what was asked for by argument.

        Raises:
            ImportError: they cannot; the message has the line that installs them.
        """
        fault = self.fault()
        if fault is not None:
            raise ImportError(self.remedy(fault))

    def fault(self) -> str | None:
        """Return what is wrong with the packages; None where all of them can be used."""
        for distribution, module in self.needs:
            try:
                import_module(module)
            except Exception as error:  # noqa: BLE001  # generated code of another protobuf, say
                if isinstance(error, ModuleNotFoundError) and module.startswith(error.name or "?"):
                    return f"{distribution} is not installed"
                return f"{distribution} cannot be imported ({type(error).__name__}: {error})"
            found, lowest = _version(distribution), _bounds().get(distribution)
            if found and lowest and _numbers(found) < _numbers(lowest):
                return f"{distribution} is {found}; the minimum version is {lowest}"
        return None

    def remedy(self, fault: str) -> str:
        """Return what is wrong and the line that helps."""
        other_way = f", or set {self.off}" if self.off else ""
        return f"{fault}; run pip install 'etter-obs[{self.extra}]'{other_way}"


_SDK: Final = ("opentelemetry-sdk", "opentelemetry.sdk.trace")
_OTLP_OFF: Final = "APM_ENABLED=false"

_GRPC: Final = {"grpc": (("grpcio", "grpc"),), "http/protobuf": ()}
TRACES: Final = {
    protocol: Part(
        "traces",
        "otlp",
        (
            _SDK,
            ("opentelemetry-instrumentation-asgi", "opentelemetry.instrumentation.asgi"),
            (
                "opentelemetry-exporter-otlp-proto-common",
                "opentelemetry.exporter.otlp.proto.common.trace_encoder",
            ),
            *more,
        ),
        _OTLP_OFF,
    )
    for protocol, more in _GRPC.items()
}
"""By the protocol of the exporter."""
_OTLP_LOGS_OFF: Final = "ETTER_OBS_OTLP_LOGS_ENABLED=false"
OTLP_LOGS: Final = {
    protocol: Part("log lines over OTLP", "otlp", (_SDK, *more), _OTLP_LOGS_OFF)
    for protocol, more in _GRPC.items()
}
"""By the protocol."""
ERROR_REPORTS: Final = Part(
    "error reports", "sentry", (("sentry-sdk", "sentry_sdk"),), "ERROR_TRACKING_ENABLED=false"
)
COMMANDS: Final = Part(
    "commands",
    "cli",
    (
        ("click", "click"),
        ("grafana-foundation-sdk", "grafana_foundation_sdk"),
        ("rich", "rich"),
    ),
)
OWN_PATTERN: Final = Part("patterns", "redaction", (("google-re2", "re2"),))
ENGINES: Final = Part("engines", "sqlalchemy", (("sqlalchemy", "sqlalchemy"),))
HTTPX_CALLS: Final = Part("metrics of httpx's calls", "httpx", (("httpx", "httpx"),))
REDIS_CLIENTS: Final = Part("Redis clients", "redis", (("redis", "redis"),))
HTTPX_SPANS, ENGINE_SPANS, REDIS_SPANS = (
    Part(
        f"spans of {what}",
        library,
        (
            (
                f"opentelemetry-instrumentation-{library}",
                f"opentelemetry.instrumentation.{library}",
            ),
        ),
    )
    for what, library in (
        ("httpx's calls", "httpx"),
        ("SQL statements", "sqlalchemy"),
        ("Redis commands", "redis"),
    )
)


def is_installed(module: str) -> bool:
    """Tell whether the module is there, without importing it."""
    try:
        return find_spec(module) is not None
    except ValueError:  # imported, and without a spec: a test's stand-in
        return True


def parts_left_out(settings: Settings) -> Iterator[tuple[Part, str]]:
    """Yield each part that ``settings`` switch on and whose packages are unusable, and its fault.

    Spans of a library count as switched on where traces are and the library is there.
    """
    wanted: list[Part] = [HTTPX_CALLS] if is_installed("httpx") else []
    if settings.apm_enabled:
        traces = TRACES[settings.otlp_target("traces").protocol]
        wanted.append(traces)
        if settings.otlp_logs_enabled:
            wanted.append(OTLP_LOGS[settings.otlp_target("logs").protocol])
        if traces.fault() is None:
            spans = (HTTPX_SPANS, ENGINE_SPANS, REDIS_SPANS)
            wanted += [part for part in spans if is_installed(part.extra)]
    if settings.error_tracking_enabled:
        wanted.append(ERROR_REPORTS)
    for part in wanted:
        fault = part.fault()
        if fault is not None:
            yield part, fault


@cache
def _bounds() -> dict[str, str]:
    """Return the lowest versions that this package's own metadata allow, by distribution."""
    try:
        found = map(_BOUND.match, requires("etter-obs") or ())
    except PackageNotFoundError:  # frozen into a program, without metadata
        return {}
    return {match[1]: match[2] for match in found if match}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]
