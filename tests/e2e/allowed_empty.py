"""Queries that are right to be empty after a load, each with its reason."""

from __future__ import annotations

from typing import Final

SELECTORS: Final[dict[str, str]] = {}
"""Part of a series selector as a rule holds it → why no such series need exist here."""

PANELS: Final[dict[tuple[str, str], str]] = {}
"""(dashboard's title, panel's title) → why it need not show anything here."""
