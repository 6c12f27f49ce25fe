"""Bearer tokens of requests (RFC 6750)."""

from __future__ import annotations

import hmac


def has_bearer(authorization: bytes | None, token: str) -> bool:
    """Return whether the header ``Authorization`` carries ``token``, compared in constant time."""
    scheme, _, given = (authorization or b"").partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), token.encode())
