"""Results of ``cached`` functions as JSON; kept only if decoding returns an equal result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, get_type_hints

from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticUserError

from etter_obs._internal.cache.digest import NoStableFormError, changed, digest

MAX_BYTES: Final = 8 * 1024 * 1024
"""Limit of a result, in bytes: a longer one blocks Redis and its other clients too long."""
_BY_NAME: Final = "by_name" in inspect.signature(TypeAdapter.validate_json).parameters
"""Whether pydantic (2.11 and later) can read fields by name despite aliases."""
_READ: Final[dict[str, Any]] = {"by_alias": False, "by_name": True} if _BY_NAME else {}
_WRITE: Final[dict[str, Any]] = {
    "by_alias": not _BY_NAME,
    "exclude_unset": True,  # preserves which fields of a model are set
    "round_trip": True,
    "warnings": False,  # the comparison detects a mismatch with the annotation
}
_EXACT: Final = ConfigDict(
    ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)
_ANNOTATED: Final = b"a"
_PLAIN: Final = b"p"


class NotKeptError(Exception):
    """A result would change in the cache; ``str()`` is the reason, without the result's values."""


class Codec:
    """Encodes the results of one function, by its return annotation or as plain JSON."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._adapters: dict[bytes, TypeAdapter[Any]] | None = None
        self._unreadable = ""

    def encode(self, result: Any) -> bytes:
        """Return the bytes from which ``decode()`` returns an equal result.

        Raises:
            NotKeptError: there are no such bytes.
        """
        try:
            before = digest(result)
        except NoStableFormError as error:
            raise NotKeptError(f"the result is or contains {error}") from None
        why = ""
        for mark, adapter in self._forms().items():
            try:
                data = adapter.dump_json(result, **_WRITE)
                after = adapter.validate_json(data, **_READ)
                if digest(after) != before:
                    why = why or f"the result differs after JSON: {changed(result, after)}"
                    continue
            except Exception as error:  # noqa: BLE001  # a model runs code of the app
                why = why or f"the result cannot be read from JSON: {type(error).__name__}"
                continue
            if len(data) > MAX_BYTES:
                raise NotKeptError(f"the result has {len(data)} bytes; the limit is {MAX_BYTES}")
            return mark + data
        raise NotKeptError(f"{why}{self._unreadable}")

    def decode(self, data: bytes) -> Any:
        """Return the stored result.

        Raises:
            Exception: the bytes are from an older version of the type, or from other code.
        """
        return self._forms()[data[:1]].validate_json(data[1:], **_READ)

    def _forms(self) -> dict[bytes, TypeAdapter[Any]]:
        if self._adapters is None:
            adapters: dict[bytes, TypeAdapter[Any]] = {}
            try:
                hint = _returned(self._function)
                if hint is not Any:
                    adapters[_ANNOTATED] = _adapter(hint)
            except Exception as error:  # noqa: BLE001  # not importable, or a type without schema
                self._unreadable = (
                    f"; its return annotation cannot be read ({type(error).__name__})"
                )
            adapters[_PLAIN] = _adapter(Any)
            self._adapters = adapters
        return self._adapters


def _returned(function: Any) -> Any:
    # Only the return annotation: others may use names that only a type checker imports.
    alone = SimpleNamespace(
        __annotations__={"return": function.__annotations__.get("return", Any)},
    )
    hints = get_type_hints(alone, getattr(function, "__globals__", {}), include_extras=True)
    return hints["return"]


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=_EXACT)
    except PydanticUserError:  # a model has its own configuration
        return TypeAdapter(hint)
