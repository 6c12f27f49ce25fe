"""Authentication."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from examples.etter_backend.common.dependencies import CurrentAccount, IssuedTokens, Users
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse
from examples.etter_backend.schemas.users import Account, TokenIn, TokenOut
from examples.etter_backend.services.auth import LIFETIME

router = APIRouter(prefix="/auth", tags=["auth"], dependencies=[Depends(breakable(Target.USERS))])
demo_router = APIRouter(prefix="/auth", include_in_schema=False)
"""Issues tokens without a password, so only the demo includes it."""


@router.post("/check_auth")
async def check_auth(account: CurrentAccount) -> APIResponse[Account]:
    """Return the account of the token."""
    return APIResponse(data=account)


@demo_router.post("/token")
async def token(given: TokenIn, users: Users, tokens: IssuedTokens) -> APIResponse[TokenOut]:
    """Issue a token for the user of an address."""
    account = await users.account(given.email)
    return APIResponse(data=TokenOut(token=tokens.issue(account), expires_in=LIFETIME))
