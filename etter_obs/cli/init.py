"""``etter-obs init``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from etter_obs.bundle import bundle_root
from etter_obs.cli.common import DRIFT, clear_errors
from etter_obs.secret_files import ensure_secrets

SHIPPED: Final = (
    "slo.yaml",
    "docker-compose.yml",
    "prometheus",
    "alerts",
    "otel-collector",
    "grafana",
    "loki",
    "tempo",
)
"""What of the bundle makes a project."""


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--force", is_flag=True, help="Overwrite files that differ from the shipped ones.")
@click.option("--secrets-only", is_flag=True, help="Only make missing files in secrets/.")
def init(directory: Path, force: bool, secrets_only: bool) -> None:
    """Start a project in DIRECTORY (default: here).

    Writes slo.yaml, the compose file and the configs of the stack. Files that you changed are not
    overwritten: if there is one, nothing is written and they are named. Passwords are made at
    random in secrets/, which must stay out of git.

    \b
      etter-obs init
      etter-obs init observability/
      etter-obs init --secrets-only      after a fresh clone: git does not hold secrets/
    """
    from etter_obs.slo.loader import load_specs
    from etter_obs.slo.plan import Change, plan
    from etter_obs.slo.writer import write

    with clear_errors():
        directory.mkdir(parents=True, exist_ok=True)
        if not secrets_only:
            everything = plan(load_specs(bundle_root() / "slo.yaml"))
            wanted = _shipped(set(everything.files)) | {
                path: text.encode() for path, text in everything.files.items()
            }
            for path, text in everything.starters.items():
                wanted.setdefault(path, text.encode())
            wanted.setdefault(".gitignore", b"/secrets/\n")
            kept = _changed_by_user(directory, wanted)
            if kept and not force:
                for path in kept:
                    click.echo(f"{directory / path}: differs from the shipped one", err=True)
                click.echo(
                    "nothing was written. --force overwrites these; `etter-obs generate` writes "
                    "what follows from your own slo.yaml; --secrets-only makes missing secrets",
                    err=True,
                )
                raise SystemExit(DRIFT)
            write(
                directory,
                [
                    Change(path, content.decode(), "missing")
                    for path, content in sorted(wanted.items())
                    if path != ".gitignore" or not (directory / path).exists()
                ],
            )
            write(directory, plan(load_specs(directory / "slo.yaml")).changes(directory))
            click.echo(f"{len(wanted)} files are in {directory}")
        for made in ensure_secrets(directory):
            click.echo(f"made {made}")
        if not _ignores_secrets(directory):
            click.echo(f"add the line /secrets/ to {directory / '.gitignore'}", err=True)
    if not secrets_only:
        click.echo("next: edit slo.yaml, `etter-obs slo check`, `etter-obs generate`")


def _shipped(generated: set[str]) -> dict[str, bytes]:
    """Read what the bundle holds and no generator makes."""
    root = bundle_root()
    files: dict[str, bytes] = {}
    for name in SHIPPED:
        source = root / name
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            path = file.relative_to(root).as_posix()
            if file.is_file() and path not in generated and not file.name.startswith("."):
                files[path] = file.read_bytes()
    return files


def _changed_by_user(directory: Path, wanted: dict[str, bytes]) -> list[str]:
    changed = []
    for path, content in sorted(wanted.items()):
        target = directory / path
        if path != ".gitignore" and target.exists() and target.read_bytes() != content:
            changed.append(path)
    return changed


def _ignores_secrets(directory: Path) -> bool:
    path = directory / ".gitignore"
    lines = path.read_text(encoding="utf-8").split() if path.exists() else []
    return any(line.strip("/") == "secrets" for line in lines)
