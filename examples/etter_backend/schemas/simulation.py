"""Simulations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from examples.etter_backend.common.validators import Line
from examples.etter_backend.schemas.base import made_at

Share = Annotated[float, Field(ge=0, le=1)]


class SimulationIn(BaseModel):
    """What to simulate: the share of tasks to automate, over so many runs."""

    automation_share: Share = 0.3
    runs: Annotated[int, Field(ge=10, le=20_000)] = 2_000


class SimulationOut(BaseModel):
    """Hours that are saved in a week: the middle and the 95th of a hundred runs."""

    p50_hours: float
    p95_hours: float


class Role(BaseModel):
    """A role of the company: how many have it, and what one costs in a year."""

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
    """What an iteration leaves to people."""

    iteration: int
    headcount: float
    saved: float


class CompanySimulationOut(BaseModel):
    """All iterations. The guide's answer has no envelope of its own: its status is this one."""

    status: Literal["completed"] = "completed"
    company: str
    simulation_steps: list[Step]
    timestamp: datetime = made_at()
