"""Authentication by signed tokens, without a database query."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any, Final

import jwt
from pydantic import ValidationError

from examples.etter_backend.common.exceptions import AuthenticationError
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.settings import Settings

LIFETIME: Final = 3_600
"""Lifetime of a token in seconds."""
_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "etter-backend"


class Tokens:
    """Issues and verifies tokens."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    @classmethod
    def of(cls, settings: Settings) -> Tokens:
        """Sign with ETTER_AUTH_SECRET, or with a random secret that the workers share."""
        if settings.auth_secret is not None:
            return cls(settings.auth_secret.get_secret_value())
        return cls(_kept_secret(settings.run_dir / "auth-secret"))

    def issue(self, account: Account) -> str:
        """Return a token for ``account``."""
        claims: dict[str, Any] = {
            **account.model_dump(exclude={"id"}),
            "sub": str(account.id),
            "aud": _AUDIENCE,
            "exp": int(time.time()) + LIFETIME,
        }
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def verify(self, token: str) -> Account:
        """Return the account of ``token``.

        Raises:
            AuthenticationError: the signature is wrong, or the token has expired.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                [_ALGORITHM],
                audience=_AUDIENCE,
                options={"require": ["exp", "sub", "aud"]},
            )
            return Account.model_validate({**claims, "id": claims["sub"]})
        except (jwt.InvalidTokenError, ValidationError):
            raise AuthenticationError("the token is not valid") from None


def _kept_secret(path: Path) -> str:
    """Return the secret in ``path``; the first worker creates it atomically."""
    new = path.with_suffix(f".{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        new.unlink()
    return path.read_text(encoding="ascii")
