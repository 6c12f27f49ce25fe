"""Arguments and results of ``cached`` functions as JSON."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, Final, get_type_hints

import orjson
from pydantic import BaseModel, TypeAdapter

_LOG: Final = logging.getLogger(__name__)


class Codec:
    """Turns a function's arguments and results into JSON and back; warns once of what has none."""

    def __init__(
        self, function: Callable[..., Any], name: str, keys: Callable[..., object] | None
    ) -> None:
        self._function = function
        self._keys = keys or _without_self(function)
        self._name = name
        self._adapter: TypeAdapter[Any] | None = None
        self._resolved = False
        self._warned = False

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
        """Return what tells this call from another; None where that has no JSON form."""
        try:
            return orjson.dumps(
                self._keys(*args, **kwargs),
                default=_jsonable,
                option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS,
            )
        except TypeError:  # also the signature's, which the function itself will raise again
            self.warn("an argument has no JSON form; pass key= to say what tells results apart")
            return None

    def encode(self, result: Any) -> bytes | None:
        """Return the JSON of a result; None where it is None or has no JSON form."""
        if result is None:
            return None
        try:
            adapter = self._annotated()
            # An annotation that does not fit its value is an error here, not a warning.
            return (
                adapter.dump_json(result, warnings="error")
                if adapter
                else orjson.dumps(result, default=_jsonable)
            )
        except (TypeError, ValueError):
            self.warn("its result has no JSON form that fits the return annotation")
            return None

    def decode(self, data: bytes | str | None) -> tuple[bool, Any]:
        """Return whether there is a value, and it; what an older version stored may not fit."""
        if data is None:
            return False, None
        try:
            adapter = self._annotated()
            return True, adapter.validate_json(data) if adapter else orjson.loads(data)
        except ValueError:
            return False, None

    def warn(self, why: str) -> None:
        """Say once why nothing is kept."""
        if not self._warned:
            self._warned = True
            _LOG.warning("cached(name=%r) keeps nothing: %s", self._name, why)

    def _annotated(self) -> TypeAdapter[Any] | None:
        if not self._resolved:
            self._resolved = True
            try:
                hint = get_type_hints(self._function).get("return", Any)
                self._adapter = None if hint is Any else TypeAdapter(hint)
            except Exception:  # noqa: BLE001  # a name that is not importable, a type of no schema
                self._adapter = None
        return self._adapter


def _jsonable(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError


def _without_self(function: Callable[..., Any]) -> Callable[..., object]:
    signature = inspect.signature(function)
    first = next(iter(signature.parameters), None)

    def keys(*args: Any, **kwargs: Any) -> object:
        # Bound to the signature, f(1) and f(x=1) are one look-up.
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if first in ("self", "cls"):
            del bound.arguments[first]
        return bound.arguments

    return keys
