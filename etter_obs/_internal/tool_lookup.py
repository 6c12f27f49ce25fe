"""Find the programs that the command line runs: promtool and amtool."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from etter_obs._internal.bundle import bundle_root
from etter_obs._internal.settings import cache_root

_COMPONENTS: Final = {"promtool": "prometheus", "amtool": "alertmanager"}
"""The component that each program comes with; docker-compose.yml pins its version."""


def find_program(name: str) -> Path | None:
    """Return the program on the PATH, else the newest that ``make stack`` built, else None."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    built = (cache_root() / "bin").glob(f"*/{name}")
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


def install_commands(name: str) -> str:
    """Return the commands, one per line, that each install the program at the pinned version."""
    component = _COMPONENTS[name]
    compose = (bundle_root() / "docker-compose.yml").read_text(encoding="utf-8")
    found = re.search(rf"image: prom/{component}:v(\d+)\.(\d+)\.(\d+)", compose)
    assert found, f"docker-compose.yml names no version of {component}"  # noqa: S101
    major, minor, patch = map(int, found.groups())
    # The Go module of Prometheus writes 3.16 as 0.316.
    module = f"v0.{100 * major + minor}.{patch}" if major else f"v0.{minor}.{patch}"
    image = f"prom/{component}:v{major}.{minor}.{patch}"
    package = f"github.com/prometheus/{component}/cmd/{name}"
    return (
        f"  docker run --rm --entrypoint cat {image} /bin/{name} > {name} && chmod +x {name}\n"
        f"  go install -tags netgo,remove_all_sd {package}@{module}"
    )
