"""The environment, read once into one frozen object. No other module of the package reads it."""

from etter_obs._internal.settings.settings import OtlpTarget, Settings, SettingsError, cache_root

__all__ = ["OtlpTarget", "Settings", "SettingsError", "cache_root"]
