"""Finds the configuration: what travels with the package, and the project's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]
PROJECT_FOLDER: Final = "etter-obs"
"""Where `init` writes: no name that a build takes for a Python package of the app's."""


def bundle_root() -> Path:
    """Return the folder with slo.yaml, docker-compose.yml and the configs.

    In an installed wheel it is ``etter_obs/_bundle``, in a checkout the checkout itself.

    Raises:
        FileNotFoundError: neither is there; the installation is broken.
    """
    for root in (_PACKAGE / "_bundle", _PACKAGE.parent):
        if (root / "slo.yaml").is_file():
            return root
    raise FileNotFoundError(f"{_PACKAGE / '_bundle'} has no slo.yaml; reinstall etter-obs")


def project_root(here: Path) -> Path:
    """Return the folder of the project that is worked on from ``here``.

    It is the folder that ``etter-obs init`` makes there, if that holds a slo.yaml, else ``here``.
    """
    made = here / PROJECT_FOLDER
    return made if (made / "slo.yaml").is_file() else here


def spec_near(app_file: str | None) -> Path | None:
    """Return the slo.yaml of the project that an app seems to belong to, None where none is near.

    It is looked for in the working directory, then in the folder of the app's file and the two
    above it, since sources often have a folder of their own. The package's own is nobody's.

    Args:
        app_file: the file that sets the app up.
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
    """Return the slo.yaml that an app uses when ETTER_OBS_SLO_FILE names none.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    return bundle_root() / "slo.yaml"
