"""The CHRO's dashboard, where eager loading matters most."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload

from examples.etter_backend.controls.features import Feature, FeatureSwitch
from examples.etter_backend.database import Database
from examples.etter_backend.models import ChroDashboardEntry, UserWorkflowHistory, Workflow
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.schemas.workflows import ChroEntry

_MOST = 200


class ChroService:
    """Reads the dashboard of a company."""

    def __init__(self, database: Database, features: FeatureSwitch) -> None:
        self._database = database
        self._features = features

    async def entries(self, account: Account) -> list[ChroEntry]:
        """Return the entries of the account's company.

        With eager loading one statement reads them. Without it, each entry runs further statements
        for its scores, their user and its workflow (N+1).
        """
        entry = ChroDashboardEntry
        statement = (
            select(entry)
            .join(entry.workflow)
            .where(Workflow.company_id == account.company_id)
            .order_by(entry.id)
            .limit(_MOST)
        )
        if self._features.is_on(Feature.EAGER_LOADING):
            statement = statement.options(
                contains_eager(entry.workflow).joinedload(Workflow.company),
                joinedload(entry.etter_score),
                joinedload(entry.validated_score).joinedload(UserWorkflowHistory.user),
            )

        def work(session: Session) -> list[ChroEntry]:
            return [_shown(row) for row in session.scalars(statement)]

        return await self._database.read(work)


def _shown(row: ChroDashboardEntry) -> ChroEntry:
    validated = row.validated_score
    return ChroEntry(
        id=row.id,
        company=row.workflow.company.name,
        workflow=row.workflow.title,
        function=row.function,
        headcount=row.headcount,
        etter_score=row.etter_score.value,
        validated_score=validated.score if validated else None,
        validated_by=validated.user.username if validated else None,
    )
