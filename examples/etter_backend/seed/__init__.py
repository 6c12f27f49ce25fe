"""Synthetic data for the tables: a small amount at start, a large amount by a command."""

from examples.etter_backend.seed.scale import LARGE, SMALL, Scale
from examples.etter_backend.seed.writer import is_empty, seed

__all__ = ["LARGE", "SMALL", "Scale", "is_empty", "seed"]
