"""Users and who asks."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from examples.etter_backend.common.validators import Email, Line


class Account(BaseModel):
    """Who asks, as its token says."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: int
    company_id: int
    email: str
    username: str
    is_admin: bool


class UserIn(BaseModel):
    """A user as an administrator gives it. The company is the administrator's own."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    username: Line
    job_title: Line


class UserPatch(BaseModel):
    """What may change of a user. Nobody makes themselves an administrator."""

    model_config = ConfigDict(extra="forbid")

    username: Line | None = None
    job_title: Line | None = None


class UserOut(BaseModel):
    """A user as it is stored."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    company_id: int
    email: str
    username: str
    job_title: str
    is_admin: bool
    created_at: datetime


class TokenIn(BaseModel):
    """For whom the demo wants a token."""

    email: Email


class TokenOut(BaseModel):
    """A bearer token, and for how many seconds it is valid."""

    token: str
    expires_in: int
