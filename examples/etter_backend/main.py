"""The app, configured by the environment.

uvicorn examples.etter_backend.main:app
"""

from __future__ import annotations

from examples.etter_backend.application import create_app
from examples.etter_backend.backend import Backend
from examples.etter_backend.settings import Settings

app = create_app(Backend(Settings.or_exit()))
