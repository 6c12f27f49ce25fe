"""Locate the configuration files of the package and of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]
PROJECT_FOLDER: Final = "etter-obs"
"""The folder that ``etter-obs init`` creates; no build takes it for a Python package."""


def bundle_root() -> Path:
    """Return the folder with slo.yaml, docker-compose.yml and the configuration files.

    It is ``etter_obs/_bundle`` in an installed wheel and the root of a checkout otherwise.

    Raises:
        FileNotFoundError: Neither folder has a slo.yaml; the installation is broken.
    """
    for root in (_PACKAGE / "_bundle", _PACKAGE.parent):
        if (root / "slo.yaml").is_file():
            return root
    raise FileNotFoundError(f"{_PACKAGE / '_bundle'} has no slo.yaml; reinstall etter-obs")


def project_root(here: Path) -> Path:
    """Return the project folder for commands that run in ``here``.

    It is the folder that ``etter-obs init`` creates in ``here`` if that folder has a slo.yaml, else
    ``here`` itself.
    """
    made = here / PROJECT_FOLDER
    return made if (made / "slo.yaml").is_file() else here


def spec_near(app_file: str | None) -> Path | None:
    """Return the slo.yaml of the project that the app seems to belong to; None if none is near.

    The search covers the working directory, then the folder of the app's file and the two folders
    above it, because sources often have their own folder. The package's own slo.yaml never counts.

    Args:
        app_file: The file that calls ``setup_observability``.
    """
    folders = [Path()]
    if app_file is not None:
        folders += Path(app_file).absolute().parents[:3]
    for folder in folders:
        found = (project_root(folder) / "slo.yaml").absolute()
        if found.is_file() and not found.samefile(default_spec_path()):
            return found
    return None


def default_spec_path() -> Path:
    """Return the slo.yaml that an app uses if ETTER_OBS_SLO_FILE is not set.

    Raises:
        FileNotFoundError: The installation is broken.
    """
    return bundle_root() / "slo.yaml"
