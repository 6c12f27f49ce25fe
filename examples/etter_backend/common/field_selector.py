"""Sparse fields: ``?fields=id,name``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

from fastapi import Query, Request
from pydantic import BaseModel

from examples.etter_backend.common.exceptions import InvalidInputError
from examples.etter_backend.controls.features import Feature

Fields: TypeAlias = tuple[str, ...] | None
"""The selected fields, in the order of the schema; None: all fields."""


def fields_of(schema: type[BaseModel]) -> Callable[[Request, str | None], Fields]:
    """Return the dependency that reads ``?fields=``; it accepts only fields of the schema."""
    allowed = tuple(schema.model_fields)

    def wanted(
        request: Request,
        fields: Annotated[
            str | None,
            Query(max_length=400, description="names of fields, separated by commas"),
        ] = None,
    ) -> Fields:
        if not fields:
            return None
        names = {name.strip() for name in fields.split(",")}
        if unknown := sorted(names - set(allowed)):
            raise InvalidInputError(
                f"unknown: {', '.join(unknown)}; use some of {', '.join(allowed)}", field="fields"
            )
        if not request.app.state.backend.features.is_on(Feature.SPARSE_FIELDS):
            return None
        return tuple(name for name in allowed if name in names)

    return wanted
