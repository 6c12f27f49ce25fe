"""`python -m stack`: build and run the stack without Docker, and check its configuration."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from etter_obs._internal.cli.terminal import use_a_safe_encoding
from etter_obs._internal.secret_files import ensure_secrets
from stack import build as builds
from stack import installed
from stack.check import run_all
from stack.layout import CHECKOUT, Ports, PortTakenError
from stack.native import StackError, wait
from stack.processes import NotReadyError
from stack.versions import BUILDS, NATIVE, OPTIONAL

_RUN_DIR = CHECKOUT / ".run" / "stack"
_project = click.Path(path_type=Path, file_okay=False, exists=True)
_dir_option = click.option(
    "--dir",
    "run_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=_RUN_DIR,
    show_default=".run/stack",
    help="Run directory: configuration copies, data, logs, stack.json.",
)


@click.group()
def main() -> None:
    """The native stack: Prometheus, Alertmanager, the collector, Loki, node_exporter, traces."""


@main.command()
@click.argument("components", nargs=-1, type=click.Choice([build.name for build in BUILDS]))
def build(components: tuple[str, ...]) -> None:
    """Build COMPONENTS (default: those of the native stack) into the cache."""
    chosen = components or NATIVE
    seconds = builds.ensure(build for build in BUILDS if build.name in chosen)
    for each in BUILDS:
        if each.name in chosen:
            print(f"{each.name:14} {each.version:9} {builds.binary(next(iter(each.packages)))}")
    print(f"built in {seconds:.0f} s" if seconds else "nothing to build")


@main.command()
@click.argument("name")
def path(name: str) -> None:
    """Print the path of program NAME (promtool, amtool, loki, …); build it if it is missing."""
    try:
        print(builds.binary(name))
    except KeyError as error:
        raise click.BadParameter(str(error.args[0])) from None


def _targets(
    _context: click.Context, _option: object, given: tuple[str, ...]
) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for each in given:
        job, found, address = each.partition("=")
        if not found or ":" not in address:
            raise click.BadParameter(
                f"{each!r} is not JOB=HOST:PORT, for example etter=127.0.0.1:8000"
            )
        targets.setdefault(job, []).append(address)
    return targets


def _components(_context: click.Context, _option: object, given: str) -> tuple[str, ...]:
    names, known = tuple(given.split(",")), (*NATIVE, *OPTIONAL)
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(known)}")
    return names


@main.command()
@_dir_option
@click.option(
    "--ports", type=click.Choice(["default", "free"]), default="default", show_default=True
)
@click.option(
    "--only",
    default=lambda: ",".join(installed.components()),
    show_default=f"{','.join(NATIVE)}, and grafana if it is installed",
    callback=_components,
    help="Components, comma-separated.",
)
@click.option(
    "--target", "targets", multiple=True, callback=_targets, help="JOB=HOST:PORT to scrape."
)
@click.option("--webhook", help="URL that Alertmanager's default receiver posts to.")
@click.option(
    "--config-root",
    type=_project,
    default=CHECKOUT,
    help="The project whose configuration is used.",
)
@click.option("--late", multiple=True, hidden=True, help="A component that is still being built.")
@click.option("--lifeline", is_flag=True, hidden=True, help="Stop at the end of standard input.")
def up(
    run_dir: Path,
    ports: str,
    only: tuple[str, ...],
    targets: dict[str, list[str]],
    webhook: str | None,
    config_root: Path,
    late: tuple[str, ...],
    lifeline: bool,
) -> None:
    """Run the stack on loopback until Ctrl-C; its addresses are in RUNDIR/stack.json.

    An installed Tempo keeps the traces, and an installed Grafana shows the dashboards
    (ETTER_OBS_TEMPO, ETTER_OBS_GRAFANA, else those on the PATH). Without Tempo, a small trace store
    answers its API from the collector's file.
    """
    from stack.supervise import up as run

    builds.ensure(build for build in BUILDS if build.name in only and build.name not in late)
    chosen = Ports() if ports == "default" else Ports.free()
    sys.exit(
        run(run_dir, config_root, chosen, only, targets, webhook, late=late, lifeline=lifeline)
    )


@main.command()
@click.option(
    "--dir",
    "run_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=CHECKOUT / ".run" / "thanos",
    show_default=".run/thanos",
    help="Folder of configuration copies, data, bucket and logs.",
)
@click.option(
    "--target", "targets", multiple=True, callback=_targets, help="JOB=HOST:PORT to scrape."
)
@click.option("--webhook", help="URL that Alertmanager's default receiver posts to.")
def thanos(run_dir: Path, targets: dict[str, list[str]], webhook: str | None) -> None:
    """Run two Prometheus replicas under Thanos on loopback until Ctrl-C.

    python -m stack thanos --target etter=127.0.0.1:8000
    """
    from stack.thanos import thanos_running

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with thanos_running(run_dir, targets=targets, webhook=webhook) as running:
        print(f"querier       {running.querier}")
        print(f"ruler         {running.ruler}")
        print(f"alertmanager  {running.alertmanager}")
        for url in running.replicas:
            print(f"prometheus    {url}")
        print(f"logs          {run_dir / 'logs'}", flush=True)
        stop.wait()


@main.command("wait")
@_dir_option
@click.option("--within", type=float, default=60.0, show_default=True, help="Seconds.")
def wait_command(run_dir: Path, within: float) -> None:
    """Wait until the stack is ready, and print its addresses."""
    print(wait(run_dir, within=within).as_json(), end="")


@main.command()
@click.option("--root", type=_project, default=CHECKOUT, help="The project to check.")
def check(root: Path) -> None:
    """Check every shipped configuration with the program that reads it."""
    failed = 0
    for each, complaint in run_all(root):
        failed += complaint is not None
        print(f"{'FAILED' if complaint else 'ok':7} {each.program:14} {each.title}", flush=True)
        if complaint:
            print(complaint)
    sys.exit(1 if failed else 0)


@main.command()
@click.option("--root", type=_project, default=CHECKOUT, help="The project to make them in.")
def secrets(root: Path) -> None:
    """Create the missing secret files that docker-compose.yml reads."""
    for written in ensure_secrets(root):
        print(written)


@main.command("test-compose")
def test_compose() -> None:
    """Bring docker-compose.yml up on a Docker engine and send a request and an alert through it."""
    from stack.compose.scenario import ScenarioError
    from stack.compose.scenario import test_compose as run

    try:
        run()
    except ScenarioError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        sys.exit(1)


def run() -> None:
    """Run the command line; an error that the user can fix is one line and exit code 2."""
    from stack.compose.engine import EngineError

    use_a_safe_encoding()
    try:
        main(prog_name="python -m stack")
    except (
        StackError,
        NotReadyError,
        PortTakenError,
        installed.ProgramError,
        builds.BuildError,
        EngineError,
        FileNotFoundError,
    ) as error:
        print(f"stack: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
