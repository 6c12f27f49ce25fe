"""The pytest plugin, loaded by its entry point in every environment that has etter-obs."""
