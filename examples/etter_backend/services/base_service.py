"""Base class of the services of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption

from examples.etter_backend.common.exceptions import ResourceNotFoundError
from examples.etter_backend.common.field_selector import Fields
from examples.etter_backend.common.pagination import Found, Page
from examples.etter_backend.controls.features import FeatureSwitch
from examples.etter_backend.database import Database
from examples.etter_backend.models import Base

M = TypeVar("M", bound=Base)
S = TypeVar("S", bound=BaseModel)

Where = Sequence[ColumnElement[bool]]


class BaseService(Generic[M, S]):
    """Reads and changes the rows of a table.

    A subclass names its table and schema, and the columns that clients may filter by or change.
    A name from a request never becomes an attribute.
    """

    model: ClassVar[type[Any]]
    schema: ClassVar[type[Any]]
    resource: ClassVar[str]

    def __init__(self, database: Database, features: FeatureSwitch) -> None:
        self.database = database
        self.features = features

    def get(self, session: Session, row_id: int, *where: ColumnElement[bool]) -> M:
        """Return a row.

        Raises:
            ResourceNotFoundError: no row that matches ``where`` has this id.
        """
        found: M | None = session.scalar(select(self.model).where(self.model.id == row_id, *where))
        if found is None:
            raise ResourceNotFoundError(self.resource, row_id)
        return found

    def page(
        self,
        session: Session,
        page: Page,
        *,
        where: Where = (),
        fields: Fields = None,
        options: Sequence[ExecutableOption] = (),
    ) -> Found[S]:
        """Return a page, ordered by id; without an order, pages could overlap."""
        total = session.scalar(select(func.count()).select_from(self.model).where(*where)) or 0
        statement = select(self.model).where(*where).options(*options).order_by(self.model.id)
        statement = statement.offset(page.offset).limit(page.size)
        return Found(self.rows(session, statement, fields), total)

    def rows(self, session: Session, statement: Any, fields: Fields) -> list[S]:
        """Return the rows of a statement; with ``fields``, read only their columns."""
        if fields is None:
            return [self.as_schema(row) for row in session.scalars(statement)]
        columns = [getattr(self.model, name) for name in fields]
        found = session.execute(statement.with_only_columns(*columns))
        return [self.schema.model_construct(**row._mapping) for row in found]

    def as_schema(self, row: M) -> S:
        """Return the row as its schema."""
        shown: S = self.schema.model_validate(row)
        return shown

    def apply(self, row: M, given: BaseModel) -> None:
        """Set the fields that the client sent; the schema of ``given`` declares which exist."""
        for name, value in given.model_dump(exclude_unset=True).items():
            if value is not None:
                setattr(row, name, value)
