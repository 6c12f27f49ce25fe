"""``etter-obs init``."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from etter_obs._internal.bundle import PROJECT_FOLDER, project_root
from etter_obs._internal.cli.common import DRIFT, BadInput, clear_errors, same_project
from etter_obs._internal.secret_files import FOLDER as SECRETS
from etter_obs._internal.secret_files import POSTGRES_PASSWORD, WEBHOOK, ensure_secrets

if TYPE_CHECKING:
    from etter_obs._internal.generate.project import Project

Check = Callable[[object, object, str | None], str | None]
"""As click calls what checks an option: context, option, value."""

_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
_ADDRESS: Final = re.compile(rf"(?:({_HOST}):)?([0-9]{{1,5}})")
_DOCKER_HOST: Final = "host.docker.internal"
_NO_SERVICE: Final = (PROJECT_FOLDER, "observability", "monitoring")
"""Folders named for what is in them, not for the service: that is what the one above is named."""
_COMPOSE_NAMES: Final = (
    *("compose.yaml", "compose.yml"),
    *("docker-compose.yml", "docker-compose.yaml"),
)
"""As Docker Compose looks for a project's own file, in its order."""


def _service(_: object, __: object, value: str | None) -> str | None:
    from etter_obs._internal.slo.loading.validation import wrong_service

    if value is not None and (why := wrong_service(value)):
        raise click.BadParameter(why)
    return value


def _target(_: object, __: object, value: str | None) -> str | None:
    if value is None:
        return None
    found = _ADDRESS.fullmatch(value.strip())
    if found is None or not 0 < int(found[2]) < 65536:
        raise click.BadParameter(f"{value!r} is not HOST:PORT or a port")
    host = found[1] or _DOCKER_HOST
    if host == "localhost" or host.startswith("127."):
        raise click.BadParameter(
            f"{value!r}: in a container, localhost is Prometheus itself; "
            f"use {_DOCKER_HOST}:{found[2]} for the machine that runs Docker"
        )
    return f"{host}:{int(found[2])}"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--service",
    metavar="NAME",
    callback=_service,
    help="Name of the service (default: ask on a terminal, else the name of the project folder).",
)
@click.option(
    "--target",
    metavar="HOST:PORT",
    callback=_target,
    help="Address at which Prometheus scrapes the app; a bare port is on the Docker host "
    "(default: 8000).",
)
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite the shipped files; the old ones are kept as FILE.bak.",
)
@click.option("--secrets-only", is_flag=True, help="Only create missing files in secrets/.")
def init(
    directory: Path | None, service: str | None, target: str | None, force: bool, secrets_only: bool
) -> None:
    """Start a project in DIRECTORY (default: etter-obs/).

    Writes slo.yaml, the files generated from it, the compose file and the configuration of the
    stack. Running it again adds missing files and keeps your changes. It writes only to DIRECTORY.
    Random passwords go to secrets/, which must stay out of git.

    \b
      etter-obs init --service shop
      etter-obs init --service shop --target shop:8000     the app runs in compose as shop
      etter-obs init --secrets-only     after a fresh clone, since secrets/ is not in git
    """
    with clear_errors():
        if directory is None:
            known = project_root(Path())
            directory = known if (known / "slo.yaml").is_file() else Path(PROJECT_FOLDER)
        new = not (directory / "slo.yaml").exists()
        if secrets_only:
            if new:
                raise BadInput(f"{directory / 'slo.yaml'}: no such file; run `etter-obs init`")
        else:
            if new and service is None:
                service, target = _asked(directory, target)
            _write(directory, _project(directory, service, target, new), new, force)
        _make_secrets(directory)
        if new:
            _say_what_next(directory)


def _asked(directory: Path, target: str | None) -> tuple[str, str | None]:
    """Ask for the service's name, and for the target where it is not given.

    Where nobody can answer, the name is that of the project's folder.
    """
    from etter_obs._internal.generate.scrape import APP

    name = _name_after(directory)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        if name is None:
            raise BadInput("the name of this folder is not a service name; use --service NAME")
        click.echo(
            f"the service is named {name}, like the folder; --service NAME sets another name"
        )
        return name, target
    chosen = _prompt("Name of the service", name, _service)
    if target is not None:
        return chosen, target
    where = "Address at which Prometheus scrapes the app, host:port"
    return chosen, _prompt(where, APP, _target)


def _prompt(question: str, proposed: str | None, check: Check) -> str:
    def checked(answer: str) -> str | None:
        return check(None, None, answer)

    return str(click.prompt(question, default=proposed, value_proc=checked))


def _name_after(directory: Path) -> str | None:
    from etter_obs._internal.slo.loading.validation import wrong_service

    folder = directory.resolve()
    while folder.name in _NO_SERVICE:
        folder = folder.parent
    slug = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).lstrip("0123456789-")[:63].rstrip("-")
    return None if wrong_service(slug) else slug


def _project(directory: Path, service: str | None, target: str | None, new: bool) -> Project:
    from etter_obs._internal.generate.project import SPEC, new_spec, project
    from etter_obs._internal.generate.scrape import targets_path
    from etter_obs._internal.slo.loading.loader import load_specs

    path = directory / SPEC
    if new:
        text = new_spec(str(service))
    else:
        specs = load_specs(path)
        text = path.read_text(encoding="utf-8-sig")
        if service is not None and service not in [spec.service for spec in specs]:
            raise BadInput(
                f"{path}: the service is already {specs[0].service!r}; to rename it, "
                f"edit slo.yaml and run `etter-obs generate{same_project(directory)}`"
            )
    folder = directory.name if directory.is_absolute() else directory.as_posix()
    made = project(text, str(path), folder, target)
    held = directory / targets_path(made.specs[0])
    if target is not None and _differs(held, made.own[targets_path(made.specs[0])]):
        raise BadInput(f"{held}: this file exists; set {target} in it")
    return made


def _write(directory: Path, made: Project, new: bool, force: bool) -> None:
    """Write what is missing; replace nothing, or with ``force`` only what is kept as FILE.bak."""
    from etter_obs._internal.generate.plan import Change
    from etter_obs._internal.generate.writer import write

    wanted = {**made.own, **made.stack, **made.generated}
    if blocked := sorted(set(_blocked(directory, [*wanted, f"{SECRETS}/{WEBHOOK}"]))):
        raise BadInput("\n".join(blocked))
    missing = [path for path in wanted if not (directory / path).exists()]
    differing = sorted(path for path in wanted if _differs(directory / path, wanted[path]))
    # In a new project all files but .gitignore are somebody else's if they are there.
    shipped = wanted.keys() - {".gitignore"} if new else made.stack.keys()
    replaced = [path for path in differing if path in shipped]
    if new and replaced and not force:
        for path in replaced:
            click.echo(f"{directory / path}: already exists", err=True)
        click.echo(
            "nothing was written. Use another folder, `etter-obs init FOLDER`, "
            "or --force, which overwrites these files and keeps yours as FILE.bak",
            err=True,
        )
        raise SystemExit(DRIFT)
    if force:
        for path in replaced:
            click.echo(f"kept {_backed_up(directory / path)}")
    chosen = [*missing, *(replaced if force else ())]
    write(directory, [Change(path, wanted[path], "missing") for path in sorted(chosen)])
    service = made.specs[0].service
    if chosen:
        files = "1 file" if len(chosen) == 1 else f"{len(chosen)} files"
        click.echo(f"{service}: wrote {files} to {directory}")
    else:
        click.echo(f"{service}: no file is missing in {directory}")
    if not force:
        for path in replaced:
            click.echo(f"{directory / path}: kept, although it differs from the shipped file")
    if not new and any(path in made.generated for path in differing):
        click.echo(
            "generated files differ from slo.yaml; "
            f"run `etter-obs generate{same_project(directory)}`"
        )


def _blocked(directory: Path, paths: list[str]) -> Iterator[str]:
    """Yield each path that is a file where a folder is needed, or a folder where a file is."""
    for path in paths:
        target = directory / path
        if target.is_dir():
            yield f"{target}: a folder, but a file is needed there"
        for folder in target.parents:
            if folder.exists() and not folder.is_dir():
                yield f"{folder}: a file, but a folder is needed there"


def _differs(path: Path, content: str) -> bool:
    return path.is_file() and path.read_bytes() != content.encode()


def _backed_up(path: Path) -> Path:
    """Copy the file beside itself under a name that is free."""
    backup, number = path.with_name(f"{path.name}.bak"), 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    shutil.copy2(path, backup)
    return backup


def _make_secrets(directory: Path) -> None:
    compose = directory / "docker-compose.yml"
    # Only the example's stack has a PostgreSQL of its own; a project's password is its owner's.
    own = compose.is_file() and f"{SECRETS}/{POSTGRES_PASSWORD}" in compose.read_text("utf-8")
    for made in ensure_secrets(directory, () if own else (POSTGRES_PASSWORD,)):
        click.echo(f"created {made}")
    ignored = directory / ".gitignore"
    lines = ignored.read_text(encoding="utf-8").split() if ignored.exists() else []
    if not any(line.strip("/") == SECRETS for line in lines):
        click.echo(f"add the line /{SECRETS}/ to {ignored}", err=True)


def _say_what_next(directory: Path) -> None:
    from etter_obs._internal.generate.scrape import targets_path
    from etter_obs._internal.slo.loading.loader import load_specs

    spec = load_specs(directory / "slo.yaml")[0]
    option = same_project(directory)
    rows = (
        (directory / "slo.yaml", f"your SLOs; after a change run `etter-obs generate{option}`"),
        (directory / targets_path(spec), "the address at which Prometheus scrapes the app"),
        (directory / SECRETS / WEBHOOK, "where alerts go"),
    )
    width = max(len(str(path)) for path, _ in rows)
    click.echo("\nReview")
    for path, what in rows:
        click.echo(f"  {path!s:<{width}}  {what}")
    stack = directory / "docker-compose.yml"
    named = "" if str(stack) == stack.name else f" -f {stack}"
    click.echo(f"\nStart the stack\n  docker compose{named} up --detach --wait")
    beside = [name for name in _COMPOSE_NAMES if Path(name).is_file()]
    if beside and beside[0] != str(stack):
        click.echo(f"or, to share a network with your services, add to {beside[0]}")
        click.echo(f"  include: [{stack}]")
    click.echo(f"\nConfigure the app\n  export ETTER_OBS_SLO_FILE={directory / 'slo.yaml'}")
