"""Parts that require the packages of an extra: whether they work, and the warning if not.

A package that is missing, too old or broken disables the part that requires it, never the app. One
warning reports the disabled part, and ``etter-obs doctor`` lists it.
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
    """A part of this package that requires packages that not every app has.

    Args:
        name: Name of the part, as the plural subject of a sentence.
        extra: The extra of this package that installs the packages.
        needs: Names of distributions, each with one of its modules.
        off: The setting that turns the part off, if there is one.
    """

    name: str
    extra: str
    needs: tuple[tuple[str, str], ...]
    off: str = ""

    def attempt(self, make: Callable[[], T]) -> T | None:
        """Return the result of ``make()``; if it fails, return None and warn once per process."""
        fault = self.fault()
        if fault is None:
            try:
                return make()
            except Exception as error:  # noqa: BLE001  # any exception of a third-party package
                fault = f"{type(error).__name__}: {error}"
        if self.name not in _warned:
            _warned.add(self.name)
            _LOG.warning("%s are disabled: %s", self.name, self.remedy(fault))
        return None

    def require(self) -> None:
        """Check the packages of a part that the caller asked for by argument.

        Raises:
            ImportError: A package cannot be used; the message has the command that installs it.
        """
        fault = self.fault()
        if fault is not None:
            raise ImportError(self.remedy(fault))

    def fault(self) -> str | None:
        """Return what is wrong with the packages; None if all of them work."""
        for distribution, module in self.needs:
            try:
                import_module(module)
            except Exception as error:  # noqa: BLE001  # for example, generated code of another protobuf
                if isinstance(error, ModuleNotFoundError) and module.startswith(error.name or "?"):
                    return f"{distribution} is not installed"
                return f"{distribution} cannot be imported ({type(error).__name__}: {error})"
            found, lowest = _version(distribution), _bounds().get(distribution)
            if found and lowest and _numbers(found) < _numbers(lowest):
                return f"{distribution} is {found}; the minimum version is {lowest}"
        return None

    def remedy(self, fault: str) -> str:
        """Return what is wrong, followed by the fix."""
        other_way = f", or set {self.off}" if self.off else ""
        return f"{fault}; run pip install 'etter-obs[{self.extra}]'{other_way}"


_SDK: Final = ("opentelemetry-sdk", "opentelemetry.sdk.trace")
_OTLP_OFF: Final = "APM_ENABLED=false"

_GRPC: Final = {"grpc": (("grpcio", "grpc"),), "http/protobuf": ()}
TRACES: Final = {
    protocol: Part(
        "traces",
        "otlp",
        (_SDK, ("opentelemetry-util-http", "opentelemetry.util.http"), *more),
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
"""By the protocol of the exporter."""
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
    """Return whether the module exists, without importing it."""
    try:
        return find_spec(module) is not None
    except ValueError:  # imported without a spec: a fake of a test
        return True


def parts_left_out(settings: Settings) -> Iterator[tuple[Part, str]]:
    """Yield each part that ``settings`` turn on but whose packages do not work, and the fault.

    Spans of a library count as turned on if traces are on and the library is installed.
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
    """Return the minimum version of each distribution from the metadata of this package."""
    try:
        found = map(_BOUND.match, requires("etter-obs") or ())
    except PackageNotFoundError:  # frozen into a program without metadata
        return {}
    return {match[1]: match[2] for match in found if match}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]
