"""Bodies of requests and responses."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class APIResponse(BaseModel, Generic[T]):
    """The envelope of every response."""

    status: Literal["success"] = "success"
    data: T


class CompanyOut(BaseModel):
    """A company."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    industry: str


class WorkflowIn(BaseModel):
    """A workflow that a client sends."""

    company_id: int
    title: Annotated[str, Field(min_length=1, max_length=120)]
    status: Literal["draft", "active", "done"] = "draft"


class WorkflowOut(WorkflowIn):
    """A stored workflow."""

    model_config = ConfigDict(from_attributes=True)

    id: int


class SimulationIn(BaseModel):
    """Parameters of a simulation: the share of tasks to automate, and the number of runs."""

    automation_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    runs: Annotated[int, Field(ge=10, le=20_000)] = 2_000


class SimulationOut(BaseModel):
    """Hours saved per week: the median and the 95th percentile of the runs."""

    p50_hours: float
    p95_hours: float
