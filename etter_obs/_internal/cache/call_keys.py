"""Identifies a call of a ``cached`` function and derives its tags."""

from __future__ import annotations

import hashlib
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from string import Formatter
from typing import Any, Final, NamedTuple

from etter_obs._internal.cache.digest import NoStableFormError, feed, module_of

_CONSTANTS: Final = (
    *(types.NoneType, bool, int, float, complex, str, bytes, Enum, type),
    *(types.BuiltinFunctionType, types.ModuleType),
)
"""Types that a function may close over; other values may change between calls."""
_OPEN: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_DIGITS: Final = 40


class Call(NamedTuple):
    """A call: hexadecimal digits unique to it, and its tags."""

    digits: str
    tags: tuple[str, ...]


class Calls:
    """The calls of one function.

    Args:
        function: a sync or async function.
        key: a function of some of the parameters, by name; its return value alone identifies a
            result. None: every argument, and the variables that the function closes over.
        tags: names, with ``{parameter}`` in place of an argument.

    ``inner`` is the function without its decorators and partials.

    Raises:
        ValueError: ``key`` or a tag names a parameter that the function does not have.
        TypeError: ``tags`` is a single text.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        key: Callable[..., object] | None,
        tags: Sequence[str],
    ) -> None:
        if isinstance(tags, str):
            raise TypeError(f"tags={tags!r} is a single text; write tags=[{tags!r}]")
        self._signature = inspect.signature(function)
        self.inner, self._held = _taken_apart(function)
        self._start = hashlib.sha256()
        feed(self._start.update, (_names(self.inner), tuple(tags), key is None))
        parameters = self._signature.parameters.values()
        self._plain = [p.name for p in parameters]
        self._takes_any = any(p.kind in _OPEN for p in parameters)
        rest = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
        self._rest = rest[0] if rest else None
        self._key = key
        self._tags = tuple(tags)
        self._asked = self._key_names(key) if key else None
        for tag in tags:
            for _, field, _, _ in Formatter().parse(tag):
                if field is not None:
                    self._check(re.split(r"[.\[]", field)[0], f"the tag {tag!r}")

    def of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return the identity of the call with these arguments.

        Raises:
            NoStableFormError: an argument, or a variable of an enclosing function, has no stable
                form.
            Exception: any exception of ``key`` or of formatting a tag.
        """
        given = len(args) + len(kwargs)
        if given == len(self._plain) and not self._takes_any:  # most calls need no default
            named = dict(zip(self._plain, args, strict=False))
            with suppress(KeyError):
                for name in self._plain[len(args) :]:
                    named[name] = kwargs[name]
                return self._call(named, args, kwargs)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:  # the function raises it too, or a decorator adds arguments
            return self._call({"*": args, "**": kwargs}, args, kwargs)
        bound.apply_defaults()
        return self._call(bound.arguments, args, kwargs)

    def to_forget(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return the call whose result ``invalidate`` removes.

        With ``key`` only the arguments that it and the tags name are required.

        Raises:
            TypeError: the function does not accept these arguments, or one is missing.
            Exception: as in ``of()``.
        """
        if self._key is None:
            self._signature.bind(*args, **kwargs)
            return self.of(args, kwargs)
        bound = self._signature.bind_partial(*args, **kwargs)
        given = set(bound.arguments)
        bound.apply_defaults()
        missing = [
            name
            for name in self._asked or ()
            if name not in given
            and self._signature.parameters[name].default is inspect.Parameter.empty
        ]
        if missing:
            raise TypeError(f"missing arguments that key= or tags= require: {', '.join(missing)}")
        return self._call(bound.arguments, args, kwargs)

    def _call(self, arguments: Mapping[str, Any], args: Any, kwargs: Any) -> Call:
        named = arguments
        if self._rest is not None:
            named = {**arguments, **arguments.get(self._rest, {})}
        state = self._start.copy()
        if self._key is None:
            for name, value in arguments.items():
                feed(state.update, name)
                try:
                    feed(state.update, value)
                except NoStableFormError as error:
                    raise NoStableFormError(f"the argument {name} is or contains {error}") from None
            for name, value in _closed_over(self.inner):
                feed(state.update, _constant(name, value))
            if self._held:
                feed(state.update, self._held)
        elif self._asked is None:
            feed(state.update, self._key(*args, **kwargs))
        else:
            asked = {name: named[name] for name in self._asked if name in named}
            feed(state.update, self._key(**asked))
        tags = tuple([tag.format_map(named) for tag in self._tags])
        return Call(state.hexdigest()[:_DIGITS], tags)

    def _key_names(self, key: Callable[..., object]) -> tuple[str, ...] | None:
        """Return the parameters that ``key`` names; None if it accepts all of them."""
        try:
            wanted = inspect.signature(key).parameters.values()
        except ValueError:
            raise ValueError(
                f"the parameters of key={key!r} are unknown; write a lambda, such as "
                "key=lambda user_id: user_id"
            ) from None
        if any(parameter.kind in _OPEN for parameter in wanted):
            return None
        for parameter in wanted:
            if parameter.default is inspect.Parameter.empty:
                self._check(parameter.name, "key")
        return tuple(parameter.name for parameter in wanted)

    def _check(self, name: str, who: str) -> None:
        known = self._signature.parameters
        if not name.isidentifier() or (name not in known and self._rest is None):
            raise ValueError(
                f"{who} requires {name!r}, but {self.inner.__qualname__} has no such parameter; "
                f"use one of its parameters: {', '.join(known) or '(none)'}"
            )


def _taken_apart(function: Any) -> tuple[Any, list[object]]:
    """Return the innermost function, and the arguments of the partials and methods around it."""
    held: list[object] = []
    while True:
        if isinstance(function, partial):
            held += [function.args, function.keywords]
            function = function.func
        elif isinstance(function, types.MethodType):
            held.append(function.__self__)
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif hasattr(function, "__qualname__"):
            return function, held
        else:  # a callable object
            held.append(function)
            function = type(function)


def _names(function: Any) -> object:
    """Return a function's name; also its place if other functions share the name."""
    shared = "<" in function.__qualname__  # a lambda, or a nested function
    code: types.CodeType | None = getattr(function, "__code__", None)
    place = list(code.co_positions()) if shared and code else None
    return module_of(function), function.__qualname__, place


def _closed_over(function: Any) -> Iterator[tuple[str, object]]:
    """Yield the variables of enclosing functions that it reads, with their current values."""
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    for name, cell in zip(code.co_freevars, cells, strict=True) if code and cells else ():
        if name != "__class__":  # from super(); self identifies it
            try:
                yield name, cell.cell_contents
            except ValueError:  # not set yet
                yield name, None


def _constant(name: str, value: object, around: tuple[object, ...] = ()) -> object:
    if isinstance(value, types.FunctionType):
        inner, held = _taken_apart(value)
        if inner in around:  # a recursive function
            return ()
        others = [_constant(name, cell, (*around, inner)) for name, cell in _closed_over(inner)]
        return _names(inner), others, held
    if isinstance(value, _CONSTANTS):
        return value
    raise NoStableFormError(
        f"the function reads {name} of its enclosing function, a value of type "
        f"{type(value).__name__}"
    )
