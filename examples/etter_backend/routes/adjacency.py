"""Adjacent tasks and roles."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from examples.etter_backend.common.dependencies import Adjacency, ModelUrl
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse

router = APIRouter(tags=["adjacency"], dependencies=[Depends(breakable(Target.ADJACENCY))])

_PATTERN = "^[a-z]{1,24}$"
Name = Annotated[str, Path(pattern=_PATTERN)]
Names = Annotated[list[Annotated[str, Query(pattern=_PATTERN)]], Query(min_length=1, max_length=20)]


@router.get("/roles/adjacent")
async def adjacent_to_roles(
    adjacency: Adjacency, name: Names, model_url: ModelUrl
) -> APIResponse[dict[str, list[str]]]:
    """Return the roles that are closest to each of these."""
    return APIResponse(data=await adjacency.of_many("roles", name, model_url))


@router.get("/roles/{name}/adjacent")
async def adjacent_roles(
    adjacency: Adjacency, name: Name, model_url: ModelUrl
) -> APIResponse[list[str]]:
    """Return the roles that are closest to this one."""
    return APIResponse(data=await adjacency.of_one("roles", name, model_url))


@router.get("/tasks/autocomplete")
async def complete_task(
    adjacency: Adjacency, q: Annotated[str, Query(min_length=1, max_length=40)]
) -> APIResponse[list[str]]:
    """Complete a task's name."""
    return APIResponse(data=await adjacency.complete_task(q))


@router.get("/tasks/{name}/adjacent")
async def adjacent_tasks(
    adjacency: Adjacency, name: Name, model_url: ModelUrl
) -> APIResponse[list[str]]:
    """Return the tasks that are closest to this one."""
    return APIResponse(data=await adjacency.of_one("tasks", name, model_url))
