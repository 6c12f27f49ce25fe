"""Companies: search and autocomplete, both cached."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from examples.etter_backend.common.dependencies import Companies, CurrentAccount
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse
from examples.etter_backend.schemas.companies import CompanyDetail, CompanyOut, CompanyPatch

router = APIRouter(tags=["companies"], dependencies=[Depends(breakable(Target.COMPANIES))])

Term = Annotated[str, Query(min_length=1, max_length=40)]


@router.get("/companies/search")
async def search(companies: Companies, q: Term) -> APIResponse[list[CompanyOut]]:
    """Search companies by a part of their name."""
    return APIResponse(data=await companies.search(q))


@router.get("/companies/autocomplete")
async def autocomplete(companies: Companies, q: Term) -> APIResponse[list[str]]:
    """Complete a company's name."""
    return APIResponse(data=await companies.complete(q))


@router.get("/companies/{company_id}")
async def read_company(companies: Companies, company_id: int) -> APIResponse[CompanyDetail]:
    """Return one company."""
    return APIResponse(data=await companies.read(company_id))


@router.patch("/companies/{company_id}")
async def change_company(
    account: CurrentAccount, companies: Companies, company_id: int, given: CompanyPatch
) -> APIResponse[CompanyOut]:
    """Change a company."""
    return APIResponse(data=await companies.change(account, company_id, given))


@router.get("/master_companies")
async def master_companies(companies: Companies) -> APIResponse[list[CompanyOut]]:
    """Return every company."""
    return APIResponse(data=await companies.all())
