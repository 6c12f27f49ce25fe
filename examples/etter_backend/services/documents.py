"""Documents of a tenant."""

from __future__ import annotations

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from examples.etter_backend.common.field_selector import Fields
from examples.etter_backend.common.pagination import Cursor, Page
from examples.etter_backend.common.response_limiter import with_short_texts
from examples.etter_backend.controls.features import Feature
from examples.etter_backend.models import Document
from examples.etter_backend.schemas.base import CursorResponse, PaginatedResponse
from examples.etter_backend.schemas.documents import DocumentIn, DocumentOut, DocumentStatus
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.services.base_service import BaseService

_TEXTS = ("description", "content")


class DocumentService(BaseService[Document, DocumentOut]):
    """Reads and writes documents. A client sees only its own company."""

    model, schema, resource = Document, DocumentOut, "document"

    async def find(
        self, account: Account, page: Page, fields: Fields, *, status: DocumentStatus | None
    ) -> PaginatedResponse[DocumentOut]:
        """Return a page of the tenant's documents, with shortened texts."""
        where = [Document.tenant_id == account.company_id]
        if status is not None:
            where.append(Document.status == status)
        found = await self.database.read(self.page, page, where=where, fields=fields)
        rows = [with_short_texts(row, *_TEXTS) for row in found.rows]
        return found._replace(rows=rows).as_response(page)

    async def feed(
        self, account: Account, after: Cursor | None, size: int, fields: Fields
    ) -> CursorResponse[DocumentOut]:
        """Return the tenant's documents, newest first.

        With keyset pages the statement continues after the key of the last row, which an index
        finds. Without them it reads and discards the rows before.
        """
        key = (Document.created_at, Document.id)
        statement = select(Document).where(Document.tenant_id == account.company_id)
        statement = statement.order_by(*(column.desc() for column in key)).limit(size + 1)
        if after is not None:
            if self.features.is_on(Feature.KEYSET_PAGES):
                statement = statement.where(tuple_(*key) < (after.created_at, after.id))
            else:
                statement = statement.offset(after.rows)

        needed = fields and tuple({*fields, "created_at", "id"})
        rows = await self.database.read(self.rows, statement, needed)
        shown, more = rows[:size], len(rows) > size
        cursor = None
        if more:
            last, before = shown[-1], after.rows if after else 0
            cursor = Cursor(created_at=last.created_at, id=last.id, rows=before + size).as_text()
        if fields is not None:
            for row in shown:
                for name in {"created_at", "id"} - set(fields):
                    delattr(row, name)
        data = [with_short_texts(row, *_TEXTS) for row in shown]
        return CursorResponse(data=data, next_cursor=cursor)

    async def read(self, account: Account, document_id: int) -> DocumentOut:
        """Return a document with its full text.

        Raises:
            ResourceNotFoundError: the tenant has no such document.
        """

        def work(session: Session) -> DocumentOut:
            where = Document.tenant_id == account.company_id
            return self.as_schema(self.get(session, document_id, where))

        return await self.database.read(work)

    async def create(self, account: Account, given: DocumentIn) -> DocumentOut:
        """Store a new document of the user's tenant."""

        def work(session: Session) -> DocumentOut:
            document = Document(
                tenant_id=account.company_id,
                title=given.title,
                description=given.description,
                content=given.content,
                status=given.status,
            )
            session.add(document)
            session.flush()
            return self.as_schema(document)

        return await self.database.write(work)
