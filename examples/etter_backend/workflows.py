"""Workflows: created, read, changed and deleted in the database."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from etter_obs import count_exceptions, get_logger
from examples.etter_backend.database import Company, Session, Workflow, faults
from examples.etter_backend.faults import Target
from examples.etter_backend.schemas import APIResponse, WorkflowIn, WorkflowOut

router = APIRouter(tags=["workflows"], dependencies=[Depends(faults.of(Target.WORKFLOWS))])
logger = get_logger(__name__)


async def _existing(session: Session, workflow_id: int) -> Workflow:
    workflow = await session.get(Workflow, workflow_id)
    if workflow is None:
        raise HTTPException(404, "no such workflow")
    return workflow


Existing = Annotated[Workflow, Depends(_existing)]


@count_exceptions("save_workflow")
async def _save(session: Session, workflow: Workflow) -> APIResponse[WorkflowOut]:
    if await session.get(Company, workflow.company_id) is None:
        raise HTTPException(422, "no such company")
    session.add(workflow)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "the company has a workflow of this title") from None
    return APIResponse(data=WorkflowOut.model_validate(workflow))


@router.get("/workflows")
async def list_workflows(
    session: Session,
    page: Annotated[int, Query(ge=1, le=1_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 50,
) -> APIResponse[list[WorkflowOut]]:
    """Return one page of workflows."""
    found = await session.scalars(
        select(Workflow).order_by(Workflow.id).offset((page - 1) * page_size).limit(page_size)
    )
    return APIResponse(data=[WorkflowOut.model_validate(workflow) for workflow in found])


@router.post("/workflows", status_code=201)
async def create_workflow(given: WorkflowIn, session: Session) -> APIResponse[WorkflowOut]:
    """Store a new workflow."""
    created = await _save(session, Workflow(**given.model_dump()))
    logger.info("workflow created", workflow_id=created.data.id, company_id=given.company_id)
    return created


@router.get("/workflows/{workflow_id}")
async def read_workflow(workflow: Existing) -> APIResponse[WorkflowOut]:
    """Return one workflow."""
    return APIResponse(data=WorkflowOut.model_validate(workflow))


@router.put("/workflows/{workflow_id}")
async def change_workflow(
    workflow: Existing, given: WorkflowIn, session: Session
) -> APIResponse[WorkflowOut]:
    """Replace a workflow's fields."""
    for name, value in given.model_dump().items():
        setattr(workflow, name, value)
    return await _save(session, workflow)


@router.delete("/workflows/{workflow_id}", status_code=204)
async def delete_workflow(workflow: Existing, session: Session) -> None:
    """Delete a workflow."""
    await session.delete(workflow)
    await session.commit()


@router.get("/get_chro_data")
async def chro_data(session: Session) -> APIResponse[list[dict[str, str]]]:
    """Return workflows with their companies, with one query for each.

    This N+1 problem is deliberate, so that the warning and its metric have something to show.
    """
    workflows = await session.scalars(select(Workflow).order_by(Workflow.company_id).limit(40))
    rows = []
    for workflow in workflows.all():
        session.expunge_all()
        company = await session.get_one(Company, workflow.company_id)
        rows.append({"workflow": workflow.title, "company": company.name})
    return APIResponse(data=rows)
