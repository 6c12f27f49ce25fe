"""Dependencies of the routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from examples.etter_backend.common.exceptions import AuthenticationError
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.services.adjacency import AdjacencyService
from examples.etter_backend.services.auth import Tokens
from examples.etter_backend.services.chro import ChroService
from examples.etter_backend.services.companies import CompanyService
from examples.etter_backend.services.documents import DocumentService
from examples.etter_backend.services.simulation import SimulationService
from examples.etter_backend.services.users import UserService
from examples.etter_backend.services.workflows import HistoryService, WorkflowService

if TYPE_CHECKING:
    from examples.etter_backend.backend import Backend


def _backend(connection: HTTPConnection) -> Backend:
    return cast("Backend", connection.app.state.backend)


def _tokens(connection: HTTPConnection) -> Tokens:
    return _backend(connection).tokens


def _users(connection: HTTPConnection) -> UserService:
    return _backend(connection).users


def _companies(connection: HTTPConnection) -> CompanyService:
    return _backend(connection).companies


def _workflows(connection: HTTPConnection) -> WorkflowService:
    return _backend(connection).workflows


def _history(connection: HTTPConnection) -> HistoryService:
    return _backend(connection).history


def _documents(connection: HTTPConnection) -> DocumentService:
    return _backend(connection).documents


def _chro(connection: HTTPConnection) -> ChroService:
    return _backend(connection).chro


def _adjacency(connection: HTTPConnection) -> AdjacencyService:
    return _backend(connection).adjacency


def _simulations(connection: HTTPConnection) -> SimulationService:
    return _backend(connection).simulations


def _model_url(connection: HTTPConnection) -> str:
    return _backend(connection).model_url(connection)


IssuedTokens = Annotated[Tokens, Depends(_tokens)]
Users = Annotated[UserService, Depends(_users)]
Companies = Annotated[CompanyService, Depends(_companies)]
Workflows = Annotated[WorkflowService, Depends(_workflows)]
History = Annotated[HistoryService, Depends(_history)]
Documents = Annotated[DocumentService, Depends(_documents)]
Chro = Annotated[ChroService, Depends(_chro)]
Adjacency = Annotated[AdjacencyService, Depends(_adjacency)]
Simulations = Annotated[SimulationService, Depends(_simulations)]
ModelUrl = Annotated[str, Depends(_model_url)]

_bearer = HTTPBearer(auto_error=False)


def _account(
    tokens: IssuedTokens,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Account:
    if given is None:
        raise AuthenticationError
    return tokens.verify(given.credentials)


CurrentAccount = Annotated[Account, Depends(_account)]
