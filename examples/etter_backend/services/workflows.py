"""Workflows and their history."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.sql.base import ExecutableOption

from etter_obs import count_exceptions, get_logger
from examples.etter_backend.cache.invalidation import COMPANY_NAMES, invalidate_workflow
from examples.etter_backend.cache.stored import WORKFLOW, stored
from examples.etter_backend.common.exceptions import ConflictError, InvalidInputError
from examples.etter_backend.common.pagination import Page
from examples.etter_backend.controls.features import Feature, FeatureSwitch
from examples.etter_backend.database import Database
from examples.etter_backend.models import Company, User, UserWorkflowHistory, Workflow
from examples.etter_backend.schemas.base import PaginatedResponse
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.schemas.workflows import (
    HistoryOut,
    RunStatus,
    WorkflowIn,
    WorkflowMetadata,
    WorkflowOut,
)
from examples.etter_backend.services.base_service import BaseService

logger = get_logger(__name__)


class WorkflowService(BaseService[Workflow, WorkflowOut]):
    """Reads and changes workflows."""

    model, schema, resource = Workflow, WorkflowOut, "workflow"

    def __init__(self, database: Database, features: FeatureSwitch) -> None:
        super().__init__(database, features)
        self.metadata = stored(
            self._metadata,
            features,
            name="workflow",
            ttl=WORKFLOW,
            key=lambda workflow_id: workflow_id,
            tags=["workflow:{workflow_id}", COMPANY_NAMES],
        )

    async def find(self, page: Page) -> PaginatedResponse[WorkflowOut]:
        """Return a page of workflows."""
        found = await self.database.read(self.page, page)
        return found.as_response(page)

    async def read(self, workflow_id: int) -> WorkflowOut:
        """Return a workflow."""

        def work(session: Session) -> WorkflowOut:
            return self.as_schema(self.get(session, workflow_id))

        return await self.database.read(work)

    async def create(self, given: WorkflowIn) -> WorkflowOut:
        """Store a new workflow.

        Raises:
            InvalidInputError: there is no such company.
            ConflictError: it has a workflow of this title.
        """

        def work(session: Session) -> WorkflowOut:
            workflow = Workflow(company_id=given.company_id, title=given.title, status=given.status)
            session.add(workflow)
            return self._saved(session, workflow)

        created = await self.database.write(work)
        await invalidate_workflow(created.id, created.company_id)
        logger.info("workflow created", workflow_id=created.id, company_id=created.company_id)
        return created

    async def change(self, workflow_id: int, given: WorkflowIn) -> WorkflowOut:
        """Replace a workflow's fields; raises what :meth:`create` does."""

        def work(session: Session) -> tuple[WorkflowOut, int]:
            workflow = self.get(session, workflow_id)
            former = workflow.company_id
            workflow.company_id = given.company_id
            workflow.title = given.title
            workflow.status = given.status
            return self._saved(session, workflow), former

        changed, former = await self.database.write(work)
        for company_id in {former, changed.company_id}:
            await invalidate_workflow(workflow_id, company_id)
        return changed

    async def delete(self, workflow_id: int) -> None:
        """Delete a workflow with its history."""

        def work(session: Session) -> int:
            workflow = self.get(session, workflow_id)
            session.delete(workflow)
            return workflow.company_id

        await invalidate_workflow(workflow_id, await self.database.write(work))

    @count_exceptions("save_workflow")
    def _saved(self, session: Session, workflow: Workflow) -> WorkflowOut:
        with session.no_autoflush:
            if session.get(Company, workflow.company_id) is None:
                raise InvalidInputError("no such company", field="company_id")
        try:
            session.flush()
        except IntegrityError:
            raise ConflictError("the company has a workflow of this title") from None
        return self.as_schema(workflow)

    async def _metadata(self, workflow_id: int) -> WorkflowMetadata:
        runs = (
            select(
                UserWorkflowHistory.status,
                func.count(),
                func.sum(UserWorkflowHistory.score),
            )
            .where(UserWorkflowHistory.workflow_id == workflow_id)
            .group_by(UserWorkflowHistory.status)
            .order_by(UserWorkflowHistory.status)
        )

        def work(session: Session) -> WorkflowMetadata:
            workflow = self.get(session, workflow_id)
            company = session.get_one(Company, workflow.company_id)
            by_status = session.execute(runs).all()
            count = sum(number for _, number, _ in by_status)
            return WorkflowMetadata(
                id=workflow.id,
                title=workflow.title,
                company=company.name,
                runs={status: number for status, number, _ in by_status},
                mean_score=round(sum(s for _, _, s in by_status) / count, 3) if count else None,
            )

        return await self.database.read(work)


class HistoryService(BaseService[UserWorkflowHistory, HistoryOut]):
    """Reads the history of a company's users."""

    model, schema, resource = UserWorkflowHistory, HistoryOut, "run"

    async def find(
        self,
        account: Account,
        page: Page,
        *,
        user_id: int | None,
        workflow_id: int | None,
        status: RunStatus | None,
    ) -> PaginatedResponse[HistoryOut]:
        """Return a page of the company's history."""
        history = UserWorkflowHistory
        colleagues = select(User.id).where(User.company_id == account.company_id)
        where: list[ColumnElement[bool]] = [history.user_id.in_(colleagues)]
        if user_id is not None:
            where.append(history.user_id == user_id)
        if workflow_id is not None:
            where.append(history.workflow_id == workflow_id)
        if status is not None:
            where.append(history.status == status)
        found = await self.database.read(self.page, page, where=where, options=self._relations())
        return found.as_response(page)

    def _relations(self) -> Sequence[ExecutableOption]:
        if not self.features.is_on(Feature.EAGER_LOADING):
            return ()
        return (joinedload(UserWorkflowHistory.user), joinedload(UserWorkflowHistory.workflow))

    def as_schema(self, row: UserWorkflowHistory) -> HistoryOut:
        """Return a run with the names of its user and workflow."""
        return HistoryOut.model_validate(
            {
                "id": row.id,
                "user_id": row.user_id,
                "username": row.user.username,
                "workflow_id": row.workflow_id,
                "workflow": row.workflow.title,
                "status": row.status,
                "score": row.score,
                "started_at": row.started_at,
                "finished_at": row.finished_at,
            }
        )
