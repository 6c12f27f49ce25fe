"""Objects that refer to the app and are freed with it.

A process may create any number of apps, and most code that drops an app does not call ``shutdown``.
Global objects (patches, threads, handlers) therefore refer only to the measuring parts, and those
parts never refer to the app.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from etter_obs._internal.requests.probes import Probes

_ATTRIBUTE: Final = "_etter_obs"


class AppResources(ExitStack):
    """The state that ``Observability`` keeps on the app: undo callbacks, probes, checks."""

    def __init__(self) -> None:
        super().__init__()
        self.probes: Probes | None = None
        self.checks: object = None

    @classmethod
    def of(cls, app: Starlette) -> AppResources:
        """Create an instance and store it on ``app`` until it is closed."""
        side = cls()
        setattr(app, _ATTRIBUTE, side)
        side.callback(delattr, app, _ATTRIBUTE)
        return side
