"""The console: a page that an app serves about itself, to its own developers on the same machine.

Nothing here is imported unless ``ETTER_OBS_CONSOLE`` is true.
"""

from etter_obs._internal.console.console import Console

__all__ = ["Console"]
