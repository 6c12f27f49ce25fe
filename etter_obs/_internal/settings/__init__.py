"""The environment, read once into one frozen object. No other module of the package reads it."""

from etter_obs._internal.settings.environment import SettingsError
from etter_obs._internal.settings.otlp import OtlpTarget
from etter_obs._internal.settings.settings import (
    Settings,
    cache_root,
    named_program,
    unread_variables,
)

__all__ = [
    "OtlpTarget",
    "Settings",
    "SettingsError",
    "cache_root",
    "named_program",
    "unread_variables",
]
