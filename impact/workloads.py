"""What users ask the example backend for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from impact.load import Call

API: Final = "/api/etter"
_ACCOUNTS: Final = 48
"""Of as many companies, the largest first; user n is the first of company n."""
_COMPANIES: Final = 512
_DEEP: Final = 100
"""Pages of fifty before the deep one."""
_TERMS: Final = ("ac", "an", "ba", "bo", "ca", "co", "de", "dy", "em", "en", "fj", "fo", "gr", "lo")
_ROLES: Final = ("analyst", "architect", "controller", "designer", "engineer", "planner")


@dataclass(frozen=True, slots=True)
class World:
    """What requests need to know: the tokens by company, and cursors of its documents."""

    tokens: tuple[str, ...]
    deep_cursor: str


def prepare(base_url: str) -> World:
    """Sign in as somebody of each company, and walk to a deep page of the largest one's documents.

    Raises:
        httpx.HTTPError: the backend refuses.
    """
    with httpx.Client(base_url=base_url + API, timeout=60) as client:

        def data(answer: httpx.Response) -> Any:
            return answer.raise_for_status().json()

        def token(number: int) -> str:
            address = {"email": f"user{number}@company{number}.example"}
            return str(data(client.post("/auth/token", json=address))["data"]["token"])

        tokens = tuple(token(number) for number in range(1, _ACCOUNTS + 1))
        cursor = ""
        signed = {"Authorization": f"Bearer {tokens[0]}"}
        for _ in range(_DEEP // 10):
            query = {"page_size": "500", "cursor": cursor}
            cursor = data(client.get("/documents/feed", params=query, headers=signed))[
                "next_cursor"
            ]
    return World(tokens, cursor)


Workload = Callable[[World, random.Random], Call]

USERS = f"{API}/users"
USER = f"{API}/users/{{user_id}}"
HISTORY = f"{API}/workflow_history"
METADATA = f"{API}/workflows/{{workflow_id}}/metadata"
DOCUMENTS = f"{API}/documents"
FEED = f"{API}/documents/feed"
CHRO = f"{API}/get_chro_data"
COMPANY = f"{API}/companies/{{company_id}}"
SEARCH = f"{API}/companies/search"
COMPLETE = f"{API}/companies/autocomplete"
USER_COMPLETE = f"{API}/users/autocomplete"
MASTER = f"{API}/master_companies"
ROLES = f"{API}/roles/adjacent"


def _get(
    world: World, company: int, path: str, *, conditional: bool = False, **query: object
) -> Call:
    pairs = tuple((name, str(value)) for name, value in query.items())
    return Call(path, pairs, world.tokens[company - 1], conditional=conditional)


def _company(draw: random.Random) -> int:
    return draw.randint(1, _ACCOUNTS)


def _popular(draw: random.Random, count: int) -> int:
    """Draw a number from 1 to ``count``, the low ones far more often (Zipf's law, exponent 1)."""
    return min(int(count ** draw.random()), count)


def lookups(world: World, draw: random.Random) -> Call:
    """Ask for rows by the columns that the guide indexes."""
    company = _company(draw)
    match draw.randrange(4):
        case 0:
            number = company + _COMPANIES * draw.randint(0, 1)
            return _get(world, company, USERS, email=f"user{number}@company{company}.example")
        case 1:
            return _get(world, company, HISTORY, user_id=company, page_size=20)
        case 2:
            return _get(world, company, METADATA.format(workflow_id=draw.randint(1, 2_000)))
        case _:
            return _get(world, company, DOCUMENTS, status="draft", page_size=20)


def relations(world: World, draw: random.Random) -> Call:
    """Ask for rows with their relations."""
    company = _company(draw)
    if draw.random() < 0.5:
        return _get(world, company, CHRO)
    return _get(world, company, HISTORY, page_size=50)


def one_row(world: World, draw: random.Random) -> Call:
    """Ask for one row by its key."""
    company = _company(draw)
    return _get(world, company, USER.format(user_id=company))


def popular(world: World, draw: random.Random) -> Call:
    """Ask for what can be kept, popular things most; one request in fifty changes something."""
    company = _company(draw)
    match draw.randrange(50):
        case 0:
            path, body = USER.format(user_id=company), {"job_title": draw.choice(_ROLES)}
            return Call(path, token=world.tokens[company - 1], method="PATCH", body=body)
        case number if number < 15:
            return _get(world, company, METADATA.format(workflow_id=_popular(draw, 2_000)))
        case number if number < 25:
            return _get(world, company, COMPANY.format(company_id=_popular(draw, _COMPANIES)))
        case number if number < 33:
            return _get(world, company, SEARCH, q=draw.choice(_TERMS))
        case number if number < 41:
            return _get(world, company, USER_COMPLETE, q=f"user{_popular(draw, 20)}")
        case _:
            return _get(world, company, USER.format(user_id=company))


def kept(world: World, draw: random.Random) -> Call:
    """Ask for a few things that the cache has after a moment."""
    return _get(world, 1, METADATA.format(workflow_id=draw.randint(1, 20)))


def neighbours(world: World, draw: random.Random) -> Call:
    """Ask for the neighbours of six roles: six calls of the model service."""
    pairs = tuple(("name", role) for role in _ROLES)
    return Call(ROLES, pairs, world.tokens[_company(draw) - 1])


def lists(world: World, draw: random.Random) -> Call:
    """Ask for lists."""
    company = _company(draw)
    match draw.randrange(4):
        case 0:
            return _get(world, company, USERS)
        case 1:
            return _get(world, company, DOCUMENTS)
        case 2:
            return _get(world, company, CHRO)
        case _:
            return _get(world, company, MASTER)


def sparse_lists(world: World, draw: random.Random) -> Call:
    """Ask for some fields of lists: who is there, and what is called how."""
    company = _company(draw)
    if draw.random() < 0.5:
        return _get(world, company, USERS, fields="id,username,email")
    return _get(world, company, DOCUMENTS, fields="id,title,description,status")


def first_pages(world: World, draw: random.Random) -> Call:
    """Ask for the first page of the largest company's documents."""
    del draw
    return _get(world, 1, FEED)


def deep_pages(world: World, draw: random.Random) -> Call:
    """Ask for the hundred and first page of them."""
    del draw
    return _get(world, 1, FEED, cursor=world.deep_cursor)


def again(world: World, draw: random.Random) -> Call:
    """Ask for the same lists again and again, with the ETag that they had."""
    company = draw.randint(1, 4)
    path = draw.choice((USERS, DOCUMENTS, MASTER))
    return _get(world, company, path, conditional=True)


def everything(world: World, draw: random.Random) -> Call:
    """Ask for all of it, as a day does: mostly things that many ask for."""
    chosen = draw.choices(
        (popular, lookups, relations, sparse_lists, first_pages, neighbours),
        (50, 15, 10, 15, 7, 3),
    )[0]
    return chosen(world, draw)


LOOKUPS: Final = (USERS, HISTORY, METADATA, DOCUMENTS)
RELATIONS: Final = (CHRO, HISTORY)
POPULAR: Final = (USER, METADATA, COMPANY, SEARCH, USER_COMPLETE)
LISTS: Final = (USERS, DOCUMENTS, CHRO, MASTER)
EVERYTHING: Final = tuple(sorted({*LOOKUPS, *RELATIONS, *POPULAR, FEED, ROLES}))
