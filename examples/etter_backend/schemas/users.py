"""Users and accounts."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from examples.etter_backend.common.validators import Email, Line


class Account(BaseModel):
    """The user of a token."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: int
    company_id: int
    email: str
    username: str
    is_admin: bool


class UserIn(BaseModel):
    """A user that an administrator sends. The company is the administrator's own."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    username: Line
    job_title: Line


class UserPatch(BaseModel):
    """The changeable fields of a user; `is_admin` is not one."""

    model_config = ConfigDict(extra="forbid")

    username: Line | None = None
    job_title: Line | None = None


class UserOut(BaseModel):
    """A stored user."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    company_id: int
    email: str
    username: str
    job_title: str
    is_admin: bool
    created_at: datetime


class TokenIn(BaseModel):
    """The user for whom the demo requests a token."""

    email: Email


class TokenOut(BaseModel):
    """A bearer token and its lifetime in seconds."""

    token: str
    expires_in: int
