"""Workflows, their history, the CHRO's dashboard."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from examples.etter_backend.common.validators import Line

Status = Literal["draft", "active", "done"]
RunStatus = Literal["running", "done", "failed"]


class WorkflowIn(BaseModel):
    """A workflow that a client sends."""

    company_id: int
    title: Line
    status: Status = "draft"


class WorkflowOut(BaseModel):
    """A stored workflow."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    company_id: int
    title: str
    status: Status


class WorkflowMetadata(BaseModel):
    """Statistics of a workflow."""

    id: int
    title: str
    company: str
    runs: dict[str, int]
    mean_score: float | None


class HistoryOut(BaseModel):
    """A run of a workflow by a user."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    user_id: int
    username: str
    workflow_id: int
    workflow: str
    status: RunStatus
    score: float
    started_at: datetime
    finished_at: datetime | None


class ChroEntry(BaseModel):
    """A row of the CHRO's dashboard."""

    id: int
    company: str
    workflow: str
    function: str
    headcount: int
    etter_score: float
    validated_score: float | None
    validated_by: str | None
