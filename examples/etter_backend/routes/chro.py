"""The CHRO's dashboard."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from examples.etter_backend.common.dependencies import Chro, CurrentAccount
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse
from examples.etter_backend.schemas.workflows import ChroEntry

router = APIRouter(tags=["workflows"], dependencies=[Depends(breakable(Target.WORKFLOWS))])


@router.get("/get_chro_data")
async def chro_data(account: CurrentAccount, chro: Chro) -> APIResponse[list[ChroEntry]]:
    """Return the workflows of the client's company with their scores."""
    return APIResponse(data=await chro.entries(account))
