"""What clients write: validated, stored as written, harmless where it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from examples.etter_backend.common import html
from examples.etter_backend.common.exceptions import ResourceNotFoundError
from examples.etter_backend.common.response_limiter import with_short_texts
from examples.etter_backend.common.validators import Email, Line, Text
from examples.etter_backend.schemas.companies import CompanyOut
from tests.examples.conftest import Client

EMAIL: TypeAdapter[str] = TypeAdapter(Email)
TEXTS: tuple[TypeAdapter[str], ...] = (TypeAdapter(Line), TypeAdapter(Text))


@pytest.mark.parametrize(
    "wrong",
    ["a@b..com", ".a@example.com", "a@example", "a@-example.com", "a b@example.com", "a@x\n.com"],
)
def test_an_address_that_is_none_is_refused(wrong: str) -> None:
    """Addresses that the guide's expression takes, and others, are refused."""
    with pytest.raises(ValidationError):
        EMAIL.validate_python(wrong)


def test_an_address_has_one_spelling() -> None:
    """Case does not tell addresses apart, and a plus or an umlaut is allowed."""
    assert EMAIL.validate_python("Ann.Lee+x@Example.COM") == "ann.lee+x@example.com"
    assert EMAIL.validate_python("jürgen@bücher.example") == "jürgen@bücher.example"


@given(st.text(max_size=80))
def test_a_text_is_stored_as_written_or_refused(written: str) -> None:
    """Nothing is cut out of a text but the space around it; control characters are refused."""
    for kind in TEXTS:
        try:
            kept = kind.validate_python(written)
        except ValidationError:
            continue
        assert kept == written.strip()


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        '<img src=x onerror="alert(1)">',
        '<a href="javascript:alert(1)">x</a>',
        "<svg/onload=alert(1)>",
        "</h1></body><script>alert(1)</script>",
    ],
)
async def test_markup_in_a_text_does_nothing_where_html_is_made(
    client: Client, hostile: str
) -> None:
    """The API gives the text as written; the page has no tag of it that could act."""
    sent = {"title": f"T {hostile[:60]}", "content": f"R&D < 3 > 2 <b>bold</b> {hostile}"}
    made = await client.post("/documents", json=sent)
    document = made.json()["data"]
    assert (document["title"], document["content"]) == (sent["title"], sent["content"])
    page = await client.get(f"/documents/{document['id']}/html")
    assert page.headers["Content-Security-Policy"] == html.POLICY
    body = page.text.partition("<body>")[2]
    assert "<b>bold</b>" in body
    for acting in ("<script", "<img", "<svg", "<a ", "<scr"):
        assert acting not in body, acting
    assert body.count("</body>") == body.count("</h1>") == 1


async def test_nobody_becomes_an_administrator_by_a_field(client: Client) -> None:
    """What a schema does not name is refused: a role, a company, an id, a method's name."""
    user = {"email": "x@company1.example", "username": "x", "job_title": "x"}
    extra: dict[str, Any]
    for extra in ({"is_admin": True}, {"company_id": 2}, {"id": 7}, {"metadata": {}}):
        assert (await client.post("/users", json={**user, **extra})).status_code == 422
        assert (await client.patch("/users/1", json=extra)).status_code == 422
    assert (
        await client.post("/documents", json={"title": "t", "content": "c", "tenant_id": 2})
    ).status_code == 422


async def test_only_a_schemas_fields_are_selected(client: Client) -> None:
    """An unknown field, or an attribute of the row, is a 422 that names those allowed."""
    for fields in ("nope", "id,metadata", "company", "__class__"):
        refused = await client.get("/users", params={"fields": fields})
        assert refused.status_code == 422
        assert "job_title" in refused.json()["message"]
    row = (await client.get("/users?fields=email,id&page_size=1")).json()["data"][0]
    assert list(row) == ["id", "email"]


async def test_pages_have_limits(client: Client) -> None:
    """A page is 1 or more, its size 1 to 1,000, and the default is a number, not an object."""
    for query in ("page=0", "page=-1", "page_size=0", "page_size=1001", "page=x"):
        assert (await client.get(f"/workflows?{query}")).status_code == 422, query
    page = (await client.get("/workflows")).json()
    assert (page["page"], page["page_size"], len(page["data"])) == (1, 50, 50)
    assert (page["total"], page["total_pages"]) == (256, 6)
    assert (page["has_next"], page["has_prev"]) == (True, False)
    last = (await client.get("/workflows?page=6")).json()
    assert (len(last["data"]), last["has_next"], last["has_prev"]) == (6, False, True)


async def test_a_cursor_that_is_none_is_refused(client: Client) -> None:
    """Nonsense, or a cursor that was changed, is a 422 and no crash."""
    for cursor in ("x", "e30", "eyJjcmVhdGVkX2F0IjoxfQ", "ü", "AA==", "%00"):
        refused = await client.get("/documents/feed", params={"cursor": cursor})
        assert refused.status_code == 422, cursor


def test_an_id_of_zero_is_named() -> None:
    """Zero is an id; no id is none."""
    assert str(ResourceNotFoundError("user", 0).detail) == "no user with id 0"
    assert str(ResourceNotFoundError("user").detail) == "no user"


def test_cutting_a_text_leaves_the_row_whole() -> None:
    """The row is copied: what the cache or a caller has stays as it is."""
    row = CompanyOut(id=1, name="x" * 300, industry="y")
    assert with_short_texts(row, "name").name == "x" * 200 + "…"
    assert row.name == "x" * 300
