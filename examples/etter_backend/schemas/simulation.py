"""Simulations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from examples.etter_backend.common.validators import Line
from examples.etter_backend.schemas.base import made_at

Share = Annotated[float, Field(ge=0, le=1)]


class SimulationIn(BaseModel):
    """Parameters of a simulation: the share of tasks to automate, and the number of runs."""

    automation_share: Share = 0.3
    runs: Annotated[int, Field(ge=10, le=20_000)] = 2_000


class SimulationOut(BaseModel):
    """Hours saved per week: the median and the 95th percentile of the runs."""

    p50_hours: float
    p95_hours: float


class Role(BaseModel):
    """A role of the company: its headcount and yearly salary."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Line
    headcount: Annotated[int, Field(ge=1, le=1_000_000)]
    avg_salary: Annotated[float, Field(ge=0, le=10_000_000)]


class CompanySimulationIn(BaseModel):
    """A company's roles, and how fast their tasks are automated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    company: Line
    n_iterations: Annotated[int, Field(ge=1, le=100)]
    automation_factor: Share
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=100)]


class Step(BaseModel):
    """The state after an iteration, and the salaries saved by it."""

    iteration: int
    headcount: float
    saved: float


class CompanySimulationOut(BaseModel):
    """The result of all iterations."""

    status: Literal["completed"] = "completed"
    company: str
    simulation_steps: list[Step]
    timestamp: datetime = made_at()
