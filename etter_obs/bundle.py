"""Finds the configuration: what travels with the package, and the project's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
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
    raise FileNotFoundError(f"no slo.yaml in {_PACKAGE / '_bundle'}: reinstall etter-obs")


def project_root(here: Path) -> Path:
    """Return the folder of the project that is worked on from ``here``.

    It is the folder that ``etter-obs init`` makes there, if that holds a slo.yaml, else ``here``.
    """
    made = here / PROJECT_FOLDER
    return made if (made / "slo.yaml").is_file() else here


def default_spec_path() -> Path:
    """Return the slo.yaml that an app uses when ETTER_OBS_SLO_FILE names none.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    return bundle_root() / "slo.yaml"
