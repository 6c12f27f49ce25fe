"""What refers to the app, and so belongs to it: with the app it goes.

A process may make any number of apps, and few that drop one call ``shutdown``. Whatever is global
(a patch, a thread, a handler) holds the parts that measure, and these hold nothing of the app.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from etter_obs._internal.requests.probes import Probes

_ATTRIBUTE: Final = "_etter_obs"


class AppResources(ExitStack):
    """What :class:`~etter_obs.Observability` keeps on the app: undos, probes, checks."""

    def __init__(self) -> None:
        super().__init__()
        self.probes: Probes | None = None
        self.checks: object = None

    @classmethod
    def of(cls, app: Starlette) -> AppResources:
        """Return a new one, which ``app`` holds until it is closed."""
        side = cls()
        setattr(app, _ATTRIBUTE, side)
        side.callback(delattr, app, _ATTRIBUTE)
        return side
