"""Users of a company."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from examples.etter_backend.cache.invalidation import invalidate_user
from examples.etter_backend.cache.stored import USER_AUTOCOMPLETE, stored
from examples.etter_backend.common.exceptions import (
    AuthenticationError,
    ConflictError,
    PermissionDeniedError,
)
from examples.etter_backend.common.field_selector import Fields
from examples.etter_backend.common.pagination import Page
from examples.etter_backend.controls.features import FeatureSwitch
from examples.etter_backend.database import Database
from examples.etter_backend.models import User
from examples.etter_backend.schemas.base import PaginatedResponse
from examples.etter_backend.schemas.users import Account, UserIn, UserOut, UserPatch
from examples.etter_backend.services.base_service import BaseService
from examples.etter_backend.settings import Settings


class UserService(BaseService[User, UserOut]):
    """Reads and changes users. A client sees only its own company."""

    model, schema, resource = User, UserOut, "user"

    def __init__(self, database: Database, features: FeatureSwitch, settings: Settings) -> None:
        super().__init__(database, features)
        self.complete = stored(
            self._complete,
            features,
            name="user_autocomplete",
            ttl=USER_AUTOCOMPLETE,
            key=lambda company_id, prefix: (company_id, prefix),
            tags=["users_of:{company_id}"],
        )
        self.read = stored(
            self._read,
            features,
            name="user",
            ttl=settings.cache_seconds,
            key=lambda company_id, user_id: (company_id, user_id),
            tags=["user:{user_id}"],
        )

    async def find(
        self, account: Account, page: Page, fields: Fields, *, email: str | None
    ) -> PaginatedResponse[UserOut]:
        """Return a page of the company's users."""
        where = [User.company_id == account.company_id]
        if email is not None:
            where.append(User.email == email)
        found = await self.database.read(self.page, page, where=where, fields=fields)
        return found.as_response(page)

    async def account(self, email: str) -> Account:
        """Return the account of an address.

        Raises:
            AuthenticationError: no user has it.
        """

        def work(session: Session) -> Account:
            user = session.scalar(select(User).where(User.email == email))
            if user is None:
                raise AuthenticationError("no user has this address")
            return Account.model_validate(user)

        return await self.database.read(work)

    async def create(self, account: Account, given: UserIn) -> UserOut:
        """Store a new user of the administrator's company.

        Raises:
            PermissionDeniedError: the account is no administrator.
            ConflictError: the address is taken.
        """
        _require_admin(account)

        def work(session: Session) -> UserOut:
            # Without its index the database does not keep addresses unique.
            if session.scalar(select(exists().where(User.email == given.email))):
                raise ConflictError("the address is taken")
            user = User(
                email=given.email,
                username=given.username,
                job_title=given.job_title,
                company_id=account.company_id,
                is_admin=False,
            )
            session.add(user)
            try:
                session.flush()
            except IntegrityError:
                raise ConflictError("the address is taken") from None
            return self.as_schema(user)

        created = await self.database.write(work)
        await invalidate_user(created.id, account.company_id)
        return created

    async def change(self, account: Account, user_id: int, given: UserPatch) -> UserOut:
        """Change a user: oneself, or any as an administrator.

        Raises:
            PermissionDeniedError: it is another user, and the account is no administrator.
            ResourceNotFoundError: the company has no such user.
        """
        if user_id != account.id:
            _require_admin(account)

        def work(session: Session) -> UserOut:
            user = self.get(session, user_id, User.company_id == account.company_id)
            self.apply(user, given)
            session.flush()
            return self.as_schema(user)

        changed = await self.database.write(work)
        await invalidate_user(user_id, account.company_id)
        return changed

    async def delete(self, account: Account, user_id: int) -> None:
        """Delete a user of the administrator's company."""
        _require_admin(account)

        def work(session: Session) -> None:
            session.delete(self.get(session, user_id, User.company_id == account.company_id))

        await self.database.write(work)
        await invalidate_user(user_id, account.company_id)

    async def _read(self, company_id: int, user_id: int) -> UserOut:
        def work(session: Session) -> UserOut:
            return self.as_schema(self.get(session, user_id, User.company_id == company_id))

        return await self.database.read(work)

    async def _complete(self, company_id: int, prefix: str) -> list[str]:
        def work(session: Session) -> list[str]:
            found = session.scalars(
                select(User.username)
                .where(
                    User.company_id == company_id,
                    User.username.istartswith(prefix, autoescape=True),
                )
                .order_by(User.username)
                .limit(10)
            )
            return [*found]

        return await self.database.read(work)


def _require_admin(account: Account) -> None:
    if not account.is_admin:
        raise PermissionDeniedError("an administrator may do this")
