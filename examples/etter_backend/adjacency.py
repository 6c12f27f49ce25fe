"""Adjacent tasks and roles, as a model service ranks them over HTTP."""

from __future__ import annotations

import zlib
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, HTTPException, Path, Request

from etter_obs import cached, counted
from examples.etter_backend.config import config
from examples.etter_backend.database import faults
from examples.etter_backend.faults import Target
from examples.etter_backend.schemas import APIResponse

router = APIRouter(tags=["adjacency"])
breakable = Depends(faults.of(Target.ADJACENCY))

ROLES = ("analyst", "architect", "controller", "designer", "engineer", "planner", "recruiter")
TASKS = ("assess", "budget", "forecast", "interview", "migrate", "onboard", "plan", "report")
_RANKED = {"roles": ROLES, "tasks": TASKS}

# Close idle connections before uvicorn's 5 s, or a request would use one that has just closed.
_model = httpx.AsyncClient(timeout=2.0, limits=httpx.Limits(keepalive_expiry=2.0))

Name = Annotated[str, Path(pattern="^[a-z]{1,24}$")]


@cached(name="adjacency", ttl=config.adjacency_seconds)
async def ranked(kind: str, name: str, model_url: str) -> list[str]:
    """Query the model service for the neighbours of a role or task."""
    answer = await _model.get(f"{model_url}/api/etter/model/{kind}/{name}")
    answer.raise_for_status()
    neighbours: list[str] = answer.json()
    return neighbours


async def _adjacent(kind: str, name: str, request: Request) -> APIResponse[list[str]]:
    if name not in _RANKED[kind]:
        raise HTTPException(404, f"no such {kind[:-1]}")
    # Without a model service this app also serves as one, so that a trace shows both sides.
    host, port = request.scope["server"]
    model_url = config.model_url or f"http://{host}:{port}"
    return APIResponse(data=await ranked(kind, name, model_url))


@router.get("/roles/{name}/adjacent", dependencies=[breakable])
async def adjacent_roles(name: Name, request: Request) -> APIResponse[list[str]]:
    """Return the roles that are closest to this one."""
    return await _adjacent("roles", name, request)


@router.get("/tasks/{name}/adjacent", dependencies=[breakable])
async def adjacent_tasks(name: Name, request: Request) -> APIResponse[list[str]]:
    """Return the tasks that are closest to this one."""
    return await _adjacent("tasks", name, request)


@router.get("/model/roles/{name}", include_in_schema=False)
async def model_of_roles(name: Name) -> list[str]:
    """Rank roles in an order that looks arbitrary and never changes."""
    return _rank(ROLES, name)


@router.get("/model/tasks/{name}", include_in_schema=False)
async def model_of_tasks(name: Name) -> list[str]:
    """Rank tasks in the same way."""
    return _rank(TASKS, name)


@counted("rank")
def _rank(names: tuple[str, ...], name: str) -> list[str]:
    others = [other for other in names if other != name]
    return sorted(others, key=lambda other: zlib.crc32(f"{name} {other}".encode()))[:3]
