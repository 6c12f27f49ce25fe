"""Companies: search, completion, changes."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from examples.etter_backend.cache.invalidation import COMPANY_NAMES, invalidate_company
from examples.etter_backend.cache.stored import USER_AUTOCOMPLETE, stored
from examples.etter_backend.common.exceptions import PermissionDeniedError
from examples.etter_backend.controls.features import FeatureSwitch
from examples.etter_backend.database import Database
from examples.etter_backend.models import Company, User, Workflow
from examples.etter_backend.schemas.companies import CompanyDetail, CompanyOut, CompanyPatch
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.services.base_service import BaseService
from examples.etter_backend.settings import Settings


class CompanyService(BaseService[Company, CompanyOut]):
    """Reads and changes companies."""

    model, schema, resource = Company, CompanyOut, "company"

    def __init__(self, database: Database, features: FeatureSwitch, settings: Settings) -> None:
        super().__init__(database, features)
        self.search = stored(
            self._search,
            features,
            name="company_search",
            ttl=settings.cache_seconds,
            key=lambda term: term,
            tags=[COMPANY_NAMES],
        )
        self.complete = stored(
            self._complete,
            features,
            name="auto_complete",
            ttl=USER_AUTOCOMPLETE,
            key=lambda prefix: prefix,
            tags=[COMPANY_NAMES],
        )
        self.all = stored(
            self._all,
            features,
            name="master_companies",
            ttl=settings.cache_seconds,
            key=lambda: "",
            tags=[COMPANY_NAMES],
        )
        self.read = stored(
            self._read,
            features,
            name="company",
            ttl=settings.cache_seconds,
            key=lambda company_id: company_id,
            tags=["company:{company_id}"],
        )

    async def change(self, account: Account, company_id: int, given: CompanyPatch) -> CompanyOut:
        """Change the administrator's own company.

        Raises:
            PermissionDeniedError: the account is no administrator of it.
        """
        if not account.is_admin or account.company_id != company_id:
            raise PermissionDeniedError("an administrator of the company may do this")

        def work(session: Session) -> CompanyOut:
            company = self.get(session, company_id)
            self.apply(company, given)
            session.flush()
            return self.as_schema(company)

        changed = await self.database.write(work)
        await invalidate_company(company_id)
        return changed

    async def _search(self, term: str) -> list[CompanyOut]:
        statement = (
            select(Company)
            .where(Company.name.icontains(term, autoescape=True))
            .order_by(Company.id)
            .limit(50)
        )
        return await self.database.read(self.rows, statement, None)

    async def _complete(self, prefix: str) -> list[str]:
        statement = (
            select(Company.name)
            .where(Company.name.istartswith(prefix, autoescape=True))
            .order_by(Company.name)
            .limit(10)
        )

        def work(session: Session) -> list[str]:
            return [*session.scalars(statement)]

        return await self.database.read(work)

    async def _all(self) -> list[CompanyOut]:
        statement = select(Company).order_by(Company.name).limit(1_000)
        return await self.database.read(self.rows, statement, None)

    async def _read(self, company_id: int) -> CompanyDetail:
        def work(session: Session) -> CompanyDetail:
            company = self.get(session, company_id)
            counts = {
                name: session.scalar(
                    select(func.count()).select_from(model).where(model.company_id == company_id)
                )
                for name, model in (("users", User), ("workflows", Workflow))
            }
            return CompanyDetail.model_validate({**self.as_schema(company).model_dump(), **counts})

        return await self.database.read(work)
