"""Users of the client's own company."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from examples.etter_backend.common.dependencies import CurrentAccount, Users
from examples.etter_backend.common.field_selector import Fields, fields_of
from examples.etter_backend.common.pagination import PageWanted
from examples.etter_backend.common.validators import Email
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse, PaginatedResponse
from examples.etter_backend.schemas.users import UserIn, UserOut, UserPatch

router = APIRouter(prefix="/users", tags=["users"], dependencies=[Depends(breakable(Target.USERS))])

UserFields = Annotated[Fields, Depends(fields_of(UserOut))]


@router.get("")
async def list_users(
    account: CurrentAccount,
    users: Users,
    page: PageWanted,
    fields: UserFields,
    email: Email | None = None,
) -> PaginatedResponse[UserOut]:
    """Return one page of users."""
    return await users.find(account, page, fields, email=email)


@router.get("/autocomplete")
async def autocomplete(
    account: CurrentAccount,
    users: Users,
    q: Annotated[str, Query(min_length=1, max_length=40)],
) -> APIResponse[list[str]]:
    """Complete a user's name."""
    return APIResponse(data=await users.complete(account.company_id, q))


@router.post("", status_code=201)
async def create_user(account: CurrentAccount, users: Users, given: UserIn) -> APIResponse[UserOut]:
    """Store a new user."""
    return APIResponse(data=await users.create(account, given))


@router.get("/{user_id}")
async def read_user(account: CurrentAccount, users: Users, user_id: int) -> APIResponse[UserOut]:
    """Return one user."""
    return APIResponse(data=await users.read(account.company_id, user_id))


@router.patch("/{user_id}")
async def change_user(
    account: CurrentAccount, users: Users, user_id: int, given: UserPatch
) -> APIResponse[UserOut]:
    """Change a user."""
    return APIResponse(data=await users.change(account, user_id, given))


@router.delete("/{user_id}", status_code=204)
async def delete_user(account: CurrentAccount, users: Users, user_id: int) -> None:
    """Delete a user."""
    await users.delete(account, user_id)
