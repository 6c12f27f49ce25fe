"""Workflows and their history."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from examples.etter_backend.common.dependencies import CurrentAccount, History, Workflows
from examples.etter_backend.common.pagination import PageWanted
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse, PaginatedResponse
from examples.etter_backend.schemas.workflows import (
    HistoryOut,
    RunStatus,
    WorkflowIn,
    WorkflowMetadata,
    WorkflowOut,
)

router = APIRouter(tags=["workflows"], dependencies=[Depends(breakable(Target.WORKFLOWS))])


@router.get("/workflows")
async def list_workflows(workflows: Workflows, page: PageWanted) -> PaginatedResponse[WorkflowOut]:
    """Return one page of workflows."""
    return await workflows.find(page)


@router.post("/workflows", status_code=201)
async def create_workflow(workflows: Workflows, given: WorkflowIn) -> APIResponse[WorkflowOut]:
    """Store a new workflow."""
    return APIResponse(data=await workflows.create(given))


@router.get("/workflows/{workflow_id}")
async def read_workflow(workflows: Workflows, workflow_id: int) -> APIResponse[WorkflowOut]:
    """Return one workflow."""
    return APIResponse(data=await workflows.read(workflow_id))


@router.get("/workflows/{workflow_id}/metadata")
async def workflow_metadata(
    workflows: Workflows, workflow_id: int
) -> APIResponse[WorkflowMetadata]:
    """Return statistics of a workflow."""
    return APIResponse(data=await workflows.metadata(workflow_id))


@router.put("/workflows/{workflow_id}")
async def change_workflow(
    workflows: Workflows, workflow_id: int, given: WorkflowIn
) -> APIResponse[WorkflowOut]:
    """Replace a workflow's fields."""
    return APIResponse(data=await workflows.change(workflow_id, given))


@router.delete("/workflows/{workflow_id}", status_code=204)
async def delete_workflow(workflows: Workflows, workflow_id: int) -> None:
    """Delete a workflow."""
    await workflows.delete(workflow_id)


@router.get("/workflow_history")
async def list_history(
    account: CurrentAccount,
    history: History,
    page: PageWanted,
    user_id: int | None = None,
    workflow_id: int | None = None,
    status: RunStatus | None = None,
) -> PaginatedResponse[HistoryOut]:
    """Return one page of the history of the client's company."""
    return await history.find(
        account, page, user_id=user_id, workflow_id=workflow_id, status=status
    )
