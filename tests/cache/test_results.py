"""A result comes back as it was computed, or is not stored, with a warning. On a real Valkey."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PrivateAttr, SecretStr, computed_field, field_serializer

from etter_obs import cached
from etter_obs._internal.conventions import NotKept
from etter_obs._internal.metrics.registry import MetricsRegistry
from tests.cache.caches import RAN, counts, not_kept, said

if TYPE_CHECKING:
    from nowhere import Absent  # type: ignore[import-not-found]

BOX: Final[list[Any]] = []
"""What the functions below return."""


class Kind(Enum):
    """A kind of customer."""

    NEW = "new"
    OLD = "old"


@dataclass
class Address:
    """A dataclass within a model."""

    street: str
    numbers: tuple[int, ...] = ()


class Customer(BaseModel):
    """A model as people write them: defaults, an alias, a computed field, other types within."""

    id: int
    full_name: str = Field(default="", alias="fullName")
    written: str = Field(default="", validation_alias="read", serialization_alias="written_as")
    kind: Kind = Kind.NEW
    since: datetime | None = None
    balance: Decimal = Decimal(0)
    addresses: list[Address] = []
    parent: Customer | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def title(self) -> str:
        """Return what follows from the rest."""
        return self.full_name.upper()


class Vip(Customer):
    """A subclass, which the annotation does not name."""


class Hiding(BaseModel):
    """Fields that JSON does not show as they are."""

    secret: SecretStr = SecretStr("")
    excluded: int = Field(default=0, exclude=True)
    rounded: float = 0.0
    made: datetime = Field(default_factory=lambda: datetime.now(UTC))
    _private: int = PrivateAttr(0)

    @field_serializer("rounded")
    def _round(self, value: float) -> float:
        return round(value)


def private(number: int) -> Hiding:
    """Return a model whose private attribute is set."""
    made = Hiding()
    made._private = number
    return made


_texts = st.text(max_size=5)
_addresses = st.builds(Address, _texts, st.lists(st.integers(), max_size=2).map(tuple))
_customers: st.SearchStrategy[Customer] = st.deferred(
    lambda: st.builds(
        Customer,
        id=st.integers(),
        fullName=_texts,
        read=_texts,
        kind=st.sampled_from(Kind),
        since=st.none() | st.datetimes(timezones=st.just(UTC)),
        balance=st.decimals(allow_nan=False, allow_infinity=False),
        addresses=st.lists(_addresses, max_size=2),
        parent=st.none() | st.builds(Customer, id=st.integers()),
    )
)
_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_hiding = st.one_of(
    st.builds(Hiding, secret=_texts.map(SecretStr), made=st.just(datetime(2026, 1, 1, tzinfo=UTC))),
    st.builds(Hiding, excluded=st.integers(0, 1), rounded=st.sampled_from([0.0, 0.5, 1.0])),
    st.builds(private, st.integers(0, 1)),
)
_odd = st.one_of(
    st.sampled_from([1, True, 1.0, "1", b"1", (1,), {1}, frozenset([1]), Kind.NEW, UUID(int=1)]),
    st.builds(Vip, id=st.integers(0, 1)),
    st.binary(max_size=3),
    st.floats(),
    st.datetimes(timezones=st.just(ZoneInfo("Europe/Berlin"))),
)


@cached(name="customers", ttl=600)
def customers(number: object) -> list[Customer]:
    """Return what is in the box."""
    RAN.append(number)
    found: list[Customer] = BOX[0]
    return found


@cached(name="json", ttl=600)
def plain(number: object) -> Any:
    """Return what is in the box."""
    RAN.append(number)
    return BOX[0]


@cached(name="hiding", ttl=600)
def hiding(number: object) -> Hiding:
    """Return what is in the box."""
    found: Hiding = BOX[0]
    return found


@cached(name="floats", ttl=600)
def floating(number: object) -> float:
    """Return what is in the box, whatever the annotation says."""
    found: float = BOX[0]
    return found


@cached(name="binary", ttl=600)
def binary(number: object) -> dict[str, bytes | float | timedelta | date | set[int] | None]:
    """Return what is in the box."""
    RAN.append(number)
    found: dict[str, Any] = BOX[0]
    return found


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    BOX.clear()


def asked_twice(function: Any, result: object) -> None:
    """Request a result twice: the computed one, and the stored one if it was stored."""
    BOX[:] = [result]
    RAN.clear()
    number = f"{len(said(result))} {hash(said(result))}"
    assert said(function(number)) == said(result)
    assert said(function(number)) == said(result)


_settings = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_settings
@given(result=st.lists(_customers, max_size=3))
def test_models_come_back_whole_and_from_the_cache(client: Any, result: list[Customer]) -> None:
    """Aliases, defaults that were not set, computed fields, subclasses within: as they were."""
    asked_twice(customers, result)
    assert len(RAN) <= 1


@_settings
@given(result=_plain)
def test_plain_data_comes_back_whole_and_from_the_cache(client: Any, result: object) -> None:
    """Without a return annotation what JSON can hold is kept."""
    asked_twice(plain, result)
    assert len(RAN) <= 1


@_settings
@given(
    result=st.dictionaries(
        _texts,
        st.binary(max_size=4)
        | st.floats()
        | st.timedeltas()
        | st.dates()
        | st.sets(st.integers(), max_size=3),
        max_size=2,
    )
)
def test_what_the_annotation_says_comes_back_whole(client: Any, result: dict[str, Any]) -> None:
    """Bytes that are no text, infinity, sets: as they were, from the cache or not."""
    asked_twice(binary, result)


@_settings
@given(result=_hiding | _odd | _customers | _plain)
@pytest.mark.parametrize("function", [hiding, floating, plain], ids=["model", "float", "any"])
def test_whatever_is_returned_comes_back_as_it_was(
    client: Any, function: Any, result: object
) -> None:
    """Secrets, excluded and private fields, another class than the annotated: never changed."""
    asked_twice(function, result)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (
            Hiding(secret=SecretStr("hunter2")),
            "the result differs after JSON: .secret (SecretStr)",
        ),
        (Hiding(excluded=1), "the result differs after JSON: .excluded (int)"),
        (Vip(id=1), "the result differs after JSON: (Vip → Hiding)"),
        ([1, (2, 3)], "the result cannot be read from JSON: ValidationError"),
        ({"a": [object()]}, "the result is or contains an instance of object"),
        (iter([1]), "the result is or contains an instance of list_iterator"),
        ("x" * 9_000_000, "the result has 9000002 bytes; the limit is 8388608"),
    ],
    ids=["secret", "excluded", "subclass", "tuple", "object", "iterator", "large"],
)
def test_what_would_not_come_back_is_not_kept_and_logged_once(
    client: Any, registry: MetricsRegistry, caplog: pytest.LogCaptureFixture, result: Any, why: str
) -> None:
    """One warning names the function and the reason but not the value; each is counted."""

    @cached(name="changed", ttl=60)
    def change() -> Hiding:
        found: Hiding = BOX[0]
        return found

    BOX[:] = [result]
    with caplog.at_level(logging.WARNING):
        assert [change() is result for _ in range(3)] == [True] * 3
    assert not_kept(registry, "changed", NotKept.RESULT) == 3
    assert counts(registry, "changed") == (0, 3)
    (said_once,) = caplog.messages
    assert said_once.startswith("cached(name='changed') does not keep this result of tests.cache.")
    assert said_once.endswith(f": {why}")
    assert "hunter2" not in said_once
    assert client.keys("*") == []


def test_one_result_that_cannot_be_kept_leaves_the_others(
    client: Any, registry: MetricsRegistry
) -> None:
    """A result is judged by itself: before and after a bad one, good ones are kept."""

    @cached(name="mixed", ttl=60)
    def mixed(n: int) -> Any:
        RAN.append(n)
        return (n,) if n == 2 else n

    assert [mixed(n) for n in (1, 2, 3, 1, 2, 3)] == [1, (2,), 3, 1, (2,), 3]
    assert RAN == [1, 2, 3, 2]


def test_an_annotation_that_cannot_be_read_is_named(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A name that only a type checker imports means plain JSON; a warning names a failure."""

    @cached(name="absent", ttl=60)
    def absent(n: int, other: Absent | None = None) -> Absent:
        RAN.append(n)
        return BOX[n]

    @cached(name="parameter", ttl=60)
    def parameter(other: Absent | None = None) -> Customer:
        RAN.append(-1)
        return Customer(id=1)

    BOX[:] = [{"a": 1}, Customer(id=1)]
    with caplog.at_level(logging.WARNING):
        assert [absent(n) for n in (0, 0, 1, 1)] == [BOX[0], BOX[0], BOX[1], BOX[1]]
        assert parameter() == parameter() == Customer(id=1)
    assert RAN == [0, 1, 1, -1]
    (said_once,) = caplog.messages
    assert said_once.endswith("; its return annotation cannot be read (NameError)")


def test_generators_are_refused_at_the_decoration() -> None:
    """What a generator yields is used up by keeping it."""
    with pytest.raises(TypeError, match="cannot store a generator; return a list"):

        @cached(name="generator", ttl=60)
        def numbers() -> Iterator[int]:
            yield 1
