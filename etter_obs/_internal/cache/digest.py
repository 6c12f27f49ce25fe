"""A digest of values that differs if a function can distinguish the values.

Every value is encoded as its kind, its own bytes and the values in it, each after its length, so
that no two values have the same encoding. A value without such a form (a session, a request, a
class defined inside a function) raises an error that names its type. Neither a digest nor an error
reveals the content of a value.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import ipaddress
import struct
import sys
import types
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from inspect import getattr_static
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath
from re import Pattern
from typing import Any, Final, NamedTuple
from uuid import UUID

import pydantic
import pydantic_core
from pydantic import BaseModel

_SECRETS: Final = tuple(
    getattr(pydantic, name)
    for name in ("SecretStr", "SecretBytes", "Secret")
    if hasattr(pydantic, name)
)
_URLS: Final = (pydantic_core.Url, pydantic_core.MultiHostUrl, pydantic.AnyUrl)
_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: set for classes that Python code defines."""


class NoStableFormError(TypeError):
    """A value contains a part that another process cannot recognise; ``str()`` names it."""


class _Form(NamedTuple):
    """A decomposed value: its kind, its own bytes, and the values in it with their names."""

    kind: str
    own: bytes = b""
    inner: Iterable[tuple[str, object]] = ()


def digest(value: object) -> bytes:
    """Return 32 bytes that are equal only for values that a function cannot distinguish.

    ``1``, ``True`` and ``1.0`` differ. So do models of two classes, secrets with the same masked
    text, and dictionaries in different orders. The order of a set does not matter, nor does the
    class of a fixed offset of time.

    Raises:
        NoStableFormError: the value is or contains a value without such a form.
    """
    state = hashlib.sha256()
    feed(state.update, value)
    return state.digest()


def changed(before: object, after: object) -> str:
    """Return the first difference of two values with a stable form: ``.user.key (SecretStr)``."""
    path, what = _difference(before, after)
    return f"{path} ({what})".lstrip()


def _difference(before: object, after: object) -> tuple[str, str]:
    one, other = _form(before), _form(after)
    if one.kind == other.kind and one.own == other.own and not isinstance(before, _SECRETS):
        for (name, was), (_, now) in zip(one.inner, other.inner, strict=False):
            if digest(was) != digest(now):
                path, what = _difference(was, now)
                return f"{name}{path}", what
    kinds = dict.fromkeys((type(before).__name__, type(after).__name__))
    return "", " → ".join(kinds)


_UNNAMED: Final = ""


def feed(update: Callable[[bytes], None], value: object) -> None:
    """Pass the encoding of ``value`` to ``update``; the encoding contains its own length.

    Raises:
        NoStableFormError: as in ``digest()``.
    """
    try:
        _feed(update, value)
    except RecursionError:
        raise NoStableFormError("a value that contains itself") from None


def _feed(update: Callable[[bytes], None], value: object) -> None:
    kind = type(value)
    own_of = _LEAVES.get(kind)
    if own_of is not None:
        own = own_of(value)
        update(b"%b%d:%b()" % (_LEAF_NAMES[kind], len(own), own))
        return
    name, own, inner = _form(value)
    update(b"%b%d:%b(" % (_sized(name), len(own), own))
    for _, item in inner:
        update(b"+")
        _feed(update, item)
    update(b")")


def _sized(name: str) -> bytes:
    said = name.encode()
    return b"%d:%b" % (len(said), said)


def _form(value: object) -> _Form:
    kind = type(value)
    own = _LEAVES.get(kind)
    if own is not None:
        return _Form(kind.__qualname__, own(value))
    apart = _CONTAINERS.get(kind)
    if apart is not None:
        return apart(value)
    for kinds, take in _FAMILIES:
        if isinstance(value, kinds):
            return take(value)
    if dataclasses.is_dataclass(value):
        return _object(value)
    raise NoStableFormError(f"an instance of {kind.__name__}")


# -- values without inner values ------------------------------------------------------------------


def _text(value: object) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, signed=True)


_LEAVES: Final[Mapping[type, Callable[[Any], bytes]]] = {
    **dict.fromkeys((str, Decimal, Fraction, range), _text),
    **dict.fromkeys((ipaddress.IPv4Address, ipaddress.IPv6Address), _text),
    **dict.fromkeys((ipaddress.IPv4Network, ipaddress.IPv6Network), _text),
    **dict.fromkeys((ipaddress.IPv4Interface, ipaddress.IPv6Interface), _text),
    **dict.fromkeys((type(Path()), PurePosixPath, PureWindowsPath), _text),
    **dict.fromkeys((types.NoneType, types.EllipsisType, types.NotImplementedType), lambda _: b""),
    bool: lambda value: b"1" if value else b"0",
    int: _integer,
    float: struct.Struct(">d").pack,
    complex: lambda value: struct.pack(">dd", value.real, value.imag),
    bytes: bytes,
    bytearray: bytes,
    date: lambda value: value.isoformat().encode(),
    timedelta: lambda value: b"%d,%d,%d" % (value.days, value.seconds, value.microseconds),
    UUID: lambda value: value.bytes,
}


_LEAF_NAMES: Final = {kind: _sized(kind.__qualname__) for kind in _LEAVES}


# -- values that contain other values -------------------------------------------------------------


def _numbered(values: Iterable[object]) -> Iterator[tuple[str, object]]:
    return ((f"[{number}]", value) for number, value in enumerate(values))


def _unnamed(*values: object) -> Iterator[tuple[str, object]]:
    return ((_UNNAMED, value) for value in values)


def _sequence(value: Any) -> _Form:
    return _Form(type(value).__qualname__, inner=_numbered(value))


def _set(value: Any) -> _Form:
    return _Form(type(value).__qualname__, b"".join(sorted(digest(item) for item in value)))


def _mapping(value: Any) -> _Form:
    return _Form(type(value).__qualname__, inner=_numbered(chain.from_iterable(value.items())))


def _default_dict(value: Any) -> _Form:
    return _Form("defaultdict", inner=_unnamed(value.default_factory, dict(value)))


_OFFSETS: Final = (timezone, getattr(pydantic_core, "TzInfo", timezone))


def _moment(value: datetime | time) -> _Form:
    # With a fixed offset no local time occurs twice, and the JSON of a result omits the fold.
    fold = 0 if isinstance(value, datetime) and isinstance(value.tzinfo, _OFFSETS) else value.fold
    own = f"{value.replace(tzinfo=None, fold=0).isoformat()},{fold}".encode()
    return _Form(type(value).__qualname__, own, _unnamed(value.tzinfo))


def _zone(value: zoneinfo.ZoneInfo) -> _Form:
    if value.key is None:
        raise NoStableFormError("a time zone without a name")
    return _Form("ZoneInfo", value.key.encode())


def _offset(value: timezone | pydantic_core.TzInfo) -> _Form:
    offset = value.utcoffset(None)
    if isinstance(value, timezone) and str(value) != str(timezone(value.utcoffset(None))):
        return _Form("offset", _text(offset), _unnamed(str(value)))  # it has its own name
    return _Form("offset", _text(offset))


_CONTAINERS: Final[Mapping[type, Callable[[Any], _Form]]] = {
    **dict.fromkeys((list, tuple), _sequence),
    **dict.fromkeys((set, frozenset), _set),
    **dict.fromkeys(
        (dict, collections.OrderedDict, collections.Counter, types.MappingProxyType), _mapping
    ),
    **dict.fromkeys((datetime, time), _moment),
    **dict.fromkeys(_OFFSETS, _offset),
    collections.defaultdict: _default_dict,
    collections.deque: lambda value: _Form("deque", inner=_unnamed(value.maxlen, list(value))),
    slice: lambda value: _Form("slice", inner=_unnamed(value.start, value.stop, value.step)),
    Pattern: lambda value: _Form("Pattern", inner=_unnamed(value.pattern, value.flags)),
    partial: lambda value: _Form("partial", inner=_unnamed(value.func, value.args, value.keywords)),
    types.MethodType: lambda value: _Form("method", inner=_unnamed(value.__func__, value.__self__)),
    types.ModuleType: lambda value: _Form("module", value.__name__.encode()),
    zoneinfo.ZoneInfo: _zone,
}


# -- classes, and objects of classes --------------------------------------------------------------


def module_of(thing: Any) -> str:
    """Return the module that defines ``thing``; for a script the name of its file."""
    if thing.__module__ != "__main__":
        return str(thing.__module__)
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return spec.name if spec else Path(getattr(main, "__file__", "__main__")).stem


@lru_cache(maxsize=1024)
def path_of(thing: Any) -> str:
    """Return the import path of a class or a function.

    Raises:
        NoStableFormError: no import finds it; others may share its name.
    """
    generic = vars(thing).get("__pydantic_generic_metadata__") if isinstance(thing, type) else None
    if generic and generic["origin"]:
        if all(isinstance(argument, type) for argument in generic["args"]):
            arguments = ",".join(map(path_of, generic["args"]))
            return f"{path_of(generic['origin'])}[{arguments}]"
        raise NoStableFormError(f"the class {thing.__name__}, which cannot be imported")
    found: Any = sys.modules.get(thing.__module__)
    for name in thing.__qualname__.split("."):
        found = getattr_static(found, name, None)
        found = getattr(found, "__func__", found)  # unwraps static and class methods
    if found is not thing:
        what = "class" if isinstance(thing, type) else "function"
        raise NoStableFormError(f"the {what} {thing.__qualname__}, which cannot be imported")
    return f"{module_of(thing)}:{thing.__qualname__}"


def _member(value: Enum) -> _Form:
    says = value.value if isinstance(value, Flag) else value.name
    return _Form(path_of(type(value)), inner=_unnamed(says))


def _named_tuple(value: Any) -> _Form:
    fields = getattr(value, "_fields", None)
    if fields is None or getattr(value, "__dict__", None):
        raise NoStableFormError(f"an instance of {type(value).__name__}")
    names = (f".{name}" for name in fields)
    kind: Any = type(value)
    return _Form(path_of(kind), inner=zip(names, value, strict=True))


def _model(value: BaseModel) -> _Form:
    attributes = _object(value)
    also = _unnamed(
        sorted(value.model_fields_set), value.__pydantic_extra__, value.__pydantic_private__
    )
    return attributes._replace(inner=chain(attributes.inner, also))


def _url(value: Any) -> _Form:
    kind: Any = type(value)
    return _Form(path_of(kind), _text(value))


def _object(value: Any) -> _Form:
    """Decompose an object whose whole state is its attributes."""
    kind: Any = type(value)
    for base in kind.__mro__:
        if base is not object and not base.__flags__ & _HEAP_TYPE:
            # It inherits from list, an exception or similar, and has more state.
            raise NoStableFormError(f"an instance of {kind.__name__}")
    state = dict(getattr(value, "__dict__", {}))
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{base.__name__.lstrip('_')}{name}"
            if not name.startswith("__") and hasattr(value, name):
                state[name] = getattr(value, name)
    inner: list[tuple[str, object]] = []
    for name, held in state.items():
        if not isinstance(
            getattr_static(kind, name, None), cached_property
        ):  # derived from the other attributes
            inner += [(_UNNAMED, name), (f".{name}", held)]
    return _Form(path_of(kind), inner=inner)


_FAMILIES: Final[tuple[tuple[Any, Callable[[Any], _Form]], ...]] = (
    (Enum, _member),
    (tuple, _named_tuple),
    (BaseModel, _model),
    (_SECRETS, _object),
    (_URLS, _url),
    (type, lambda value: _Form("class", path_of(value).encode())),
    (
        (types.FunctionType, types.BuiltinFunctionType),
        lambda value: _Form("function", path_of(value).encode()),
    ),
)
