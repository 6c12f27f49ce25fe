"""Prints what can alert and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etter_obs.slo.spec import Spec


def show(specs: Sequence[Spec], root: Path) -> None:
    """Print."""
