"""``etter-obs doctor``."""

from __future__ import annotations

import shlex
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import click

from etter_obs._internal.bundle import default_spec_path
from etter_obs._internal.cli.common import (
    BAD_INPUT,
    DRIFT,
    project_options,
    read_specs,
    same_project,
)
from etter_obs._internal.generate.scrape import targets_path
from etter_obs._internal.optional_dependencies import parts_left_out
from etter_obs._internal.secret_files import is_placeholder
from etter_obs._internal.settings import Settings, SettingsError, unread_variables
from etter_obs._internal.slo.loading.loader import SpecError, load_specs
from etter_obs._internal.slo.prometheus.api import Prometheus, PrometheusError
from etter_obs._internal.slo.spec.models import Spec

_TIMEOUT = 2.0
Finding = tuple[str, str, int]
"""What was looked at, what to do about it (empty: nothing), and the exit code it asks for.

With something to do and exit code 0 it is a warning.
"""


@click.command()
@click.option("--prometheus", default="http://localhost:9090", show_default=True, metavar="URL")
@click.option("--alertmanager", default="http://localhost:9093", show_default=True, metavar="URL")
@click.option("--loki", default="http://localhost:3100", show_default=True, metavar="URL")
@project_options
def doctor(
    prometheus: str, alertmanager: str, loki: str, root: Path, environment: str | None
) -> None:
    """Diagnose environment, project and stack.

    Each problem is listed with its fix.

    Checks the environment variables, which slo.yaml an app with these variables reads, the
    project's slo.yaml and generated files, the service and environment names, the secrets, the
    token for /metrics, whether the stack answers (two seconds each), and whether Prometheus can
    scrape the app.

    \b
      etter-obs doctor
      etter-obs doctor --prometheus http://prometheus.internal:9090
    """
    worst, specs = 0, _specs(root, environment)
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _settings(root),
        lambda: _project(root, environment),
        lambda: _names(specs),
        lambda: _metrics_token(specs, root),
        lambda: _http("Prometheus", f"{prometheus.rstrip('/')}/-/ready"),
        lambda: _targets(specs, root, prometheus),
        lambda: _http("Alertmanager", f"{alertmanager.rstrip('/')}/-/ready"),
        lambda: _http("Loki", f"{loki.rstrip('/')}/ready"),
    )
    for look in looks:
        for what, remedy, code in look():
            mark = "BAD " if code else "warn" if remedy else "ok  "
            click.echo(_printable(f"{mark} {what}{f': {remedy}' if remedy else ''}"))
            worst = max(worst, code)
    raise SystemExit(worst)


def _settings(root: Path) -> Iterator[Finding]:
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        yield "environment variables", str(error), BAD_INPUT
        return
    yield "environment variables", "", 0
    for name, hint in unread_variables().items():
        yield name, f"nothing reads it{hint or '; remove it'}", 0
    yield _spec_of_the_app(settings, root)
    for part, fault in parts_left_out(settings):
        yield f"{part.name} are disabled", part.remedy(fault), DRIFT if part.off else 0
    if not settings.apm_enabled:
        yield "traces and OTLP logs are off (APM_ENABLED=true turns them on)", "", 0
        return
    target = settings.otlp_target("traces")
    address = target.endpoint
    parts = urlsplit(address if "://" in address else f"//{address}")
    port = parts.port or (4317 if target.protocol == "grpc" else 4318)
    try:
        socket.create_connection((parts.hostname or "localhost", port), _TIMEOUT).close()
    except OSError as error:
        remedy = f"no connection ({error}); start the collector or set OTLP_ENDPOINT"
        yield f"OTLP endpoint {address}", remedy, DRIFT
    else:
        yield f"OTLP endpoint {address}", "", 0


def _spec_of_the_app(settings: Settings, root: Path) -> Finding:
    chosen = settings.slo_file
    if chosen is not None:
        return f"the app's slo.yaml is {chosen} (ETTER_OBS_SLO_FILE)", "", 0
    here, shipped = (root / "slo.yaml").resolve(), default_spec_path()
    remedy = f"set ETTER_OBS_SLO_FILE={here} where the app runs to use the one in this project"
    unread = here.is_file() and here != shipped
    return f"the app's slo.yaml is {shipped} (the package's own)", remedy if unread else "", 0


def _project(root: Path, environment: str | None) -> Iterator[Finding]:
    from etter_obs._internal.generate.plan import plan

    try:
        specs = read_specs(root, environment)
        changes = plan(specs).changes(root)
    except SpecError as error:
        yield "slo.yaml", str(error), BAD_INPUT
        return
    except OSError as error:
        yield str(error.filename), f"cannot be read: {error.strerror}", BAD_INPUT
        return
    yield "slo.yaml", "", 0
    if changes:
        command = f"`etter-obs generate{same_project(root, environment)}`"
        first = f"{len(changes)} differ, such as {changes[0].path}; run {command}"
        yield "generated files", first, DRIFT
    else:
        yield "generated files", "", 0
    secrets = [root / path for path in _secret_files(specs[0].receivers.model_dump())]
    absent = ", ".join(str(path) for path in dict.fromkeys(secrets) if not path.is_file())
    where = f" {shlex.quote(str(root))}" if same_project(root) else ""
    remedy = (
        f"missing {absent}; run `etter-obs init{where} --secrets-only` to create the common ones"
    )
    yield "secrets of the receivers", remedy if absent else "", DRIFT if absent else 0
    for path in dict.fromkeys(secrets):
        if is_placeholder(path):
            remedy = "still the placeholder from `etter-obs init`; write your receiver's URL to it"
            yield str(path), remedy, 0


def _secret_files(receivers: object) -> Iterator[str]:
    if isinstance(receivers, dict):
        for key, value in receivers.items():
            if str(key).endswith("_file") and isinstance(value, str):
                yield value
            else:
                yield from _secret_files(value)


def _specs(root: Path, environment: str | None) -> Sequence[Spec]:
    """Read the specs for the looks that need them; what is wrong with them `_project` tells."""
    with suppress(SpecError, OSError):
        return read_specs(root, environment)
    return ()


def _names(specs: Sequence[Spec]) -> Iterator[Finding]:
    """Compare what the app's lines and spans call it with what the dashboards here ask for."""
    try:
        settings = Settings.from_env()
        app = load_specs(settings.slo_file or default_spec_path(), settings.environment)[0]
    except (SettingsError, SpecError):
        return  # told by `_settings` and `_project`
    known = settings.slo_file is not None  # else `_settings` tells which names the app has
    for what, variables, set_to, by_file in (
        ("service", "OTEL_SERVICE_NAME or SERVICE_NAME", settings.service_name, app.service),
        ("environment", "ENVIRONMENT", settings.environment, app.environment),
    ):
        asked = list(dict.fromkeys(getattr(spec, what) for spec in specs))
        if not asked or not (set_to or known):
            continue
        remedy = (
            f"the generated files are for {' and '.join(asked)}, so log panels and links "
            f"stay empty; "
            f"set {variables} to that name, or change slo.yaml and run `etter-obs generate`"
        )
        held = set_to or by_file
        fits = held in asked
        yield f"{what} of the app {held}", "" if fits else remedy, 0 if fits else DRIFT


def _metrics_token(specs: Sequence[Spec], root: Path) -> Iterator[Finding]:
    """Compare the token that the app asks of a scrape with those that Prometheus brings."""
    try:
        asked = Settings.from_env().metrics_token
    except SettingsError:
        return  # told by `_settings`
    named = [root / spec.metrics_token_file for spec in specs if spec.metrics_token_file]
    held = {path: _secret(path) for path in named}
    paths = [str(path) for path in held]
    for path in held:
        if not held[path]:
            yield (
                str(path),
                "missing or empty; write the token of the app to this file",
                DRIFT,
            )
    what = "token for /metrics"
    if asked is None and paths:
        remedy = f"set ETTER_OBS_METRICS_TOKEN_FILE={paths[0]} to require it"
        yield what, f"an app with these variables requires none; {remedy}", 0
    elif asked is not None and specs and not paths:
        remedy = "set metrics_token_file in slo.yaml"
        yield what, f"the app requires one and Prometheus has none; {remedy}", DRIFT
    elif asked is not None and paths:
        wrong = f"the app's token is not in {' or '.join(paths)}; write it there"
        known = asked.encode() in held.values()
        yield what, "" if known else wrong, 0 if known else DRIFT


def _secret(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes().strip()
    return b""


def _targets(specs: Sequence[Spec], root: Path, prometheus: str) -> Iterator[Finding]:
    """Tell of each instance that Prometheus knows whether it can be scraped, and why not."""
    for spec in specs:
        try:
            targets = Prometheus(prometheus, _TIMEOUT).targets(spec.service)
        except PrometheusError:
            return  # told by `_http`; or it is a Mimir, which scrapes nothing itself
        if not targets:
            remedy = (
                f"check that it is listed in {root / targets_path(spec)}, and reload Prometheus"
            )
            yield f"{spec.service}: Prometheus has no instance", remedy, DRIFT
        for target in targets:
            what = f"{spec.service} at {target.url} is {target.health}"
            yield what, target.error, DRIFT if target.error else 0


def _printable(text: str) -> str:
    """Return the text without what a terminal would obey: a target's answer may be in it."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def _http(name: str, url: str) -> Iterator[Finding]:
    if not url.startswith(("http://", "https://")):
        yield f"{name} {url}", "not an http(s) address", BAD_INPUT
        return
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT):  # noqa: S310  # http(s), checked above
            yield f"{name} {url}", "", 0
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        yield (
            f"{name} {url}",
            f"does not answer ({reason}); start the stack, or set --{name.lower()} URL",
            DRIFT,
        )
