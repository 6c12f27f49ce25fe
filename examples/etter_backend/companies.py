"""Companies: search and autocomplete, both cached."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from etter_obs import cached
from examples.etter_backend.config import config
from examples.etter_backend.database import Company, Session, faults, new_session
from examples.etter_backend.faults import Target
from examples.etter_backend.schemas import APIResponse, CompanyOut

router = APIRouter(tags=["companies"], dependencies=[Depends(faults.of(Target.COMPANIES))])

Term = Annotated[str, Query(min_length=1, max_length=40)]


@cached(name="company_search", ttl=config.cache_seconds)
async def find_companies(term: str) -> list[CompanyOut]:
    """Return the companies whose name contains ``term``."""
    async with new_session() as session:
        found = await session.scalars(
            select(Company).where(Company.name.icontains(term, autoescape=True)).limit(50)
        )
        return [CompanyOut.model_validate(company) for company in found]


@cached(name="auto_complete", ttl=300)
async def complete(prefix: str) -> list[str]:
    """Return the names that start with ``prefix``."""
    async with new_session() as session:
        found = await session.scalars(
            select(Company.name)
            .where(Company.name.istartswith(prefix, autoescape=True))
            .order_by(Company.name)
            .limit(10)
        )
        return list(found)


@router.get("/companies/search")
async def search(q: Term) -> APIResponse[list[CompanyOut]]:
    """Search companies by a part of their name."""
    return APIResponse(data=await find_companies(q))


@router.get("/companies/autocomplete")
async def autocomplete(q: Term) -> APIResponse[list[str]]:
    """Complete a company's name."""
    return APIResponse(data=await complete(q))


@router.get("/master_companies")
async def master_companies(session: Session) -> APIResponse[list[CompanyOut]]:
    """Return every company, uncached."""
    found = await session.scalars(select(Company).order_by(Company.name))
    return APIResponse(data=[CompanyOut.model_validate(company) for company in found])
