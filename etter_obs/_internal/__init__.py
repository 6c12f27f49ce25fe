"""Everything that is not public: it may change in any release.

The public surface is ``etter_obs.__all__`` and ``etter_obs.testing``.
"""
