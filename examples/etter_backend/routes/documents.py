"""Documents of the client's own company."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from examples.etter_backend.common import html
from examples.etter_backend.common.dependencies import CurrentAccount, Documents
from examples.etter_backend.common.field_selector import Fields, fields_of
from examples.etter_backend.common.pagination import CursorWanted, PageWanted, Size
from examples.etter_backend.controls.faults import Target, breakable
from examples.etter_backend.schemas.base import APIResponse, CursorResponse, PaginatedResponse
from examples.etter_backend.schemas.documents import DocumentIn, DocumentOut, DocumentStatus

router = APIRouter(
    prefix="/documents", tags=["documents"], dependencies=[Depends(breakable(Target.DOCUMENTS))]
)

DocumentFields = Annotated[Fields, Depends(fields_of(DocumentOut))]


@router.get("")
async def list_documents(
    account: CurrentAccount,
    documents: Documents,
    page: PageWanted,
    fields: DocumentFields,
    status: DocumentStatus | None = None,
) -> PaginatedResponse[DocumentOut]:
    """Return one page of documents, by its number."""
    return await documents.find(account, page, fields, status=status)


@router.get("/feed")
async def feed(
    account: CurrentAccount,
    documents: Documents,
    cursor: CursorWanted,
    fields: DocumentFields,
    page_size: Size = 50,
) -> CursorResponse[DocumentOut]:
    """Return documents, newest first; ``next_cursor`` selects the next page."""
    return await documents.feed(account, cursor, page_size, fields)


@router.post("", status_code=201)
async def create_document(
    account: CurrentAccount, documents: Documents, given: DocumentIn
) -> APIResponse[DocumentOut]:
    """Store a new document."""
    return APIResponse(data=await documents.create(account, given))


@router.get("/{document_id}")
async def read_document(
    account: CurrentAccount, documents: Documents, document_id: int
) -> APIResponse[DocumentOut]:
    """Return one document with its full text."""
    return APIResponse(data=await documents.read(account, document_id))


@router.get("/{document_id}/html")
async def show_document(
    account: CurrentAccount, documents: Documents, document_id: int
) -> HTMLResponse:
    """Return one document as an HTML page, with harmless markup only."""
    document = await documents.read(account, document_id)
    return HTMLResponse(
        html.page(document.title, document.content),
        headers={"Content-Security-Policy": html.POLICY, "X-Content-Type-Options": "nosniff"},
    )
