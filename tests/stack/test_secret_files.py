"""Passwords are random."""

from __future__ import annotations

import stat
from pathlib import Path

import yaml

from etter_obs._internal.secret_files import ensure_secrets
from stack.layout import CHECKOUT


def test_secrets_are_random_and_guarded_by_their_folder(tmp_path: Path) -> None:
    """Two projects share no password; only the owner enters the folder of the files."""
    first, second = tmp_path / "first", tmp_path / "second"
    for project in (first, second):
        project.mkdir()
        written = ensure_secrets(project)
        assert stat.S_IMODE((project / "secrets").stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o644}
    for name in ("grafana-admin-password", "postgres-password"):
        passwords = {(each / "secrets" / name).read_text() for each in (first, second)}
        assert len(passwords) == 2
        assert min(map(len, passwords)) >= 32


def test_a_secret_that_is_there_stays(tmp_path: Path) -> None:
    """A second call writes only what is missing."""
    ensure_secrets(tmp_path)
    kept = (tmp_path / "secrets/postgres-password").read_text()
    (tmp_path / "secrets/alertmanager/webhook-url").unlink()
    assert ensure_secrets(tmp_path) == [tmp_path / "secrets/alertmanager/webhook-url"]
    assert (tmp_path / "secrets/postgres-password").read_text() == kept


def test_compose_reads_only_secrets_that_are_made(tmp_path: Path) -> None:
    """Every secret file that docker-compose.yml names is one of those that are made."""
    ensure_secrets(tmp_path)
    read = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    named = [tmp_path / each["file"] for each in read["secrets"].values()]
    assert named
    assert all(path.is_file() for path in named)
