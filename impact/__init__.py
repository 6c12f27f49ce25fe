"""Measures each claim of the optimisation guide on the example backend: ``make impact``."""
