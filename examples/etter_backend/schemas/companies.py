"""Companies."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from examples.etter_backend.common.validators import Line


class CompanyOut(BaseModel):
    """A company."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    industry: str


class CompanyPatch(BaseModel):
    """The changeable fields of a company."""

    model_config = ConfigDict(extra="forbid")

    name: Line | None = None
    industry: Line | None = None


class CompanyDetail(CompanyOut):
    """A company with its number of users and workflows."""

    users: int
    workflows: int
