"""Calls share a result only where the function cannot tell them apart, on a real Valkey."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from functools import partial, wraps
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, PrivateAttr, SecretBytes, SecretStr
from pydantic.dataclasses import dataclass as pydantic_dataclass

from demo.databases import Redis
from etter_obs import cached
from etter_obs._internal.cache import bind
from etter_obs._internal.conventions import NotKept
from etter_obs._internal.metrics.registry import MetricsRegistry
from tests.cache.caches import RAN, cache_of, counts, not_kept, said

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


class Colour(Enum):
    """An enumeration whose members equal nothing else."""

    RED = 1
    BLUE = "RED"


class Number(IntEnum):
    """Members that equal integers."""

    ONE = 1


class Word(StrEnum):
    """Members that equal texts."""

    ONE = "1"


class Bits(IntFlag):
    """Members that add up."""

    A = 1
    B = 2


class Login(BaseModel):
    """A model that hides what it holds."""

    user: str
    password: SecretStr = SecretStr("")
    pin: SecretBytes = SecretBytes(b"")
    admin: bool = Field(default=False, exclude=True)
    _tenant: str = PrivateAttr("none")


class Registration(Login):
    """The same fields in another class."""


class Open(BaseModel):
    """A model that takes anything."""

    model_config = ConfigDict(extra="allow")
    a: Any = None


@dataclass
class Point:
    """A dataclass with what it neither shows nor compares."""

    x: Any
    y: Any = field(default=0, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A dataclass without a dictionary."""

    x: Any


@pydantic_dataclass
class Checked:
    """A dataclass of pydantic's."""

    x: Any


class Pair(NamedTuple):
    """A tuple with names."""

    x: Any
    y: Any


def login(user: str, password: str, pin: bytes, admin: bool, tenant: str, kind: Any) -> Login:
    """Return a login with its private attribute set."""
    made: Login = kind(user=user, password=SecretStr(password), pin=SecretBytes(pin), admin=admin)
    made._tenant = tenant
    return made


_few = st.sampled_from(["", "1", "a", "b"])
_zones = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=1)), timezone(timedelta(hours=1), "CET"), ZoneInfo("UTC")]
)
_moments = st.builds(
    datetime, st.just(2026), st.just(10), st.just(25), hour=st.sampled_from([1, 2]), tzinfo=_zones,
    fold=st.sampled_from([0, 1]),
)  # fmt: skip
_leaves = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 255, 256, 2**64, 0.0, -0.0, 1.0, 1j, 1 + 0j]),
    st.sampled_from([Decimal(1), Decimal("1.0"), Decimal("-0"), Fraction(1), Fraction(1, 2)]),
    st.sampled_from(["", "1", "True", "None", "a", "ab", "é", "e\N{COMBINING ACUTE ACCENT}"]),
    st.sampled_from([b"", b"1", b"a", bytearray(b"1"), range(1), range(0, 1, 2), ..., slice(1)]),
    st.sampled_from([*Colour, *Number, *Word, Bits.A, Bits.A | Bits.B, Colour, Number, int, len]),
    st.sampled_from([UUID(int=1), date(2026, 1, 1), timedelta(1), timedelta(hours=24, seconds=1)]),
    st.sampled_from([PurePosixPath("1"), HttpUrl("http://a"), HttpUrl("http://b"), json.dumps]),
    st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3),
    _moments, st.builds(time, tzinfo=st.sampled_from([None, UTC])),
    st.builds(login, _few, _few, st.sampled_from([b"", b"1"]), st.booleans(), _few,
              st.sampled_from([Login, Registration])),
    st.builds(Login, user=_few),
    st.builds(SecretStr, _few), st.builds(SecretBytes, st.binary(max_size=1)),
)  # fmt: skip


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    hashable = st.sampled_from([0, 1, "1", b"1", None, (), (1,), frozenset([1])])
    pairs = st.lists(st.tuples(hashable, inner), max_size=3, unique_by=lambda pair: pair[0])
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        pairs.map(dict),
        st.sets(hashable, max_size=3),
        st.frozensets(hashable, max_size=3),
        st.builds(Point, inner, inner),
        st.builds(Fixed, inner),
        st.builds(Checked, inner),
        st.builds(Pair, inner, inner),
        st.builds(Open, a=inner),
        st.builds(Open, b=inner),
    )


_all = st.recursive(_leaves, _nested, max_leaves=6)


@st.composite
def values(draw: st.DrawFn) -> Any:
    """Draw anything that can be an argument."""
    return draw(_all)


@cached(name="anything", ttl=600)
def tell(value: Any) -> str:
    """Return everything that distinguishes a value."""
    RAN.append(value)
    return said(value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(values(), min_size=1, max_size=12))
@example(values=[1, True, 1.0, Number.ONE, "1", b"1", Word.ONE, [1], (1,), {1}, frozenset([1])])
@example(values=[True, False])
@example(values=[{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": True}])
@example(values=[datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)])
@example(
    values=[
        datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
        for fold in (0, 1)
    ]
)
@example(values=[time(2, 30, fold=fold) for fold in (0, 1)])
@example(values=[Login(user="u", password=SecretStr(p)) for p in ("a", "b")])
@example(values=[Login(user="u"), Login(user="u", admin=False), Registration(user="u")])
@example(values=[["ab", "c"], ["a", "bc"], [["a"], []], [[], ["a"]], [[]], [[], []]])
def test_no_value_gets_what_was_computed_for_another(client: Any, values: list[Any]) -> None:
    """Whatever came before, a call returns what its own argument says, all of it."""
    for value in values:
        assert tell(value) == said(value)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values())
def test_the_same_value_made_anew_finds_the_result(client: Any, value: Any) -> None:
    """A copy, as another process would have it, is the same call: the function does not run."""
    tell(value)
    RAN.clear()
    assert tell(pickle.loads(pickle.dumps(value))) == said(value)
    assert RAN == []


def test_ways_to_write_a_call_are_one_call(client: Any, registry: MetricsRegistry) -> None:
    """Arguments by place, by name and by default are the same; extra ones keep their order."""

    @cached(name="spellings", ttl=60)
    def add(a: int, b: int = 2, *more: int, **named: int) -> str:
        RAN.append((a, b))
        return f"{a} {b} {more} {named}"

    assert add(1) == add(1, 2) == add(a=1, b=2) == add(b=2, a=1)
    assert counts(registry, "spellings") == (3, 1)
    assert add(1, 2, c=1, d=2) != add(1, 2, d=2, c=1) != add(1, 2, 3) != add(1, 2)
    assert counts(registry, "spellings") == (4, 4)


class Account:
    """An object that contains a connection, for example: two of them cannot be compared."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    @cached(name="balance", ttl=60)
    def balance(self, currency: str) -> str:
        """Return what belongs to one object alone."""
        RAN.append(self.owner)
        return f"{self.owner} {currency}"

    @cached(name="rate", ttl=60, key=lambda currency: currency)
    def rate(self, currency: str) -> str:
        """Return what is the same for every object."""
        RAN.append(self.owner)
        return currency

    @classmethod
    @cached(name="title", ttl=60)
    def title(cls) -> str:
        """Return what belongs to a class."""
        return cls.__name__


class Savings(Account):
    """Another class of accounts."""


@dataclass
class Shop:
    """An object that is its fields."""

    country: str

    @cached(name="tax", ttl=60)
    def tax(self, price: int) -> str:
        """Return what follows from the object's fields."""
        RAN.append(self.country)
        return f"{self.country} {price}"


def test_methods_do_not_share_results_among_objects_that_differ(
    client: Any, registry: MetricsRegistry
) -> None:
    """``self`` and ``cls`` count like other arguments; ``key`` leaves ``self`` out where it may."""
    assert [Account(owner).balance("EUR") for owner in "ab"] == ["a EUR", "b EUR"]
    assert not_kept(registry, "balance", NotKept.ARGUMENT) == 2
    assert [Shop(country).tax(1) for country in ("DE", "FR", "DE")] == ["DE 1", "FR 1", "DE 1"]
    assert counts(registry, "tax") == (1, 2)
    assert [Account(owner).rate("EUR") for owner in "ab"] == ["EUR", "EUR"]
    assert counts(registry, "rate") == (1, 1)
    titles = [kind.title() for kind in (Account, Savings, Account)]  # type: ignore[call-arg]
    assert titles == ["Account", "Savings", "Account"]
    assert counts(registry, "title") == (1, 2)


def _loader(table: str, session: object = None) -> Any:
    @cached(name="rows", ttl=60)
    def load(number: int) -> str:
        return f"{table} {number} {session}" if session else f"{table} {number}"

    return load


def _traced(function: Any) -> Any:
    @wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return traced


def _injected(function: Any) -> Any:
    @wraps(function)
    def injected(*args: Any) -> Any:
        return function("session", *args)

    return injected


def test_functions_of_one_name_keep_their_results_apart(
    client: Any, registry: MetricsRegistry
) -> None:
    """Lambdas, partials, functions made by one factory: what they hold is part of the key."""
    one = cached(name="one", ttl=60)(lambda: "first")
    two = cached(name="one", ttl=60)(lambda: "second")
    assert [one(), two(), one(), two()] == ["first", "second"] * 2
    plus, times = (cached(name="p", ttl=60)(partial(pow, base)) for base in (2, 3))
    assert [plus(2), times(2), plus(2)] == [4, 9, 4]
    users, orders = _loader("users"), _loader("orders")
    assert [users(1), orders(1), users(1)] == ["users 1", "orders 1", "users 1"]
    assert counts(registry, "rows") == (1, 2)
    wrapped = cached(name="wrapped", ttl=60)(_traced(pow_of))
    assert [wrapped(2), wrapped(n=2), pow_of(2)] == [4, 4, 4]
    injected = cached(name="injected", ttl=60)(_injected(sized))
    assert [injected(2), injected(3), injected(2)] == ["session 2", "session 3", "session 2"]
    assert counts(registry, "injected") == (1, 2)


def pow_of(n: int) -> int:
    """Return a square."""
    return n * n


def sized(session: str, n: int) -> str:
    """Return what it got."""
    return f"{session} {n}"


def test_what_has_no_stable_form_is_not_cached_and_logged_once(
    client: Any, registry: MetricsRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """The function runs each time; one warning names it, the argument and the remedy."""

    class Local(BaseModel):
        a: int

    loop: list[Any] = []
    loop.append(loop)
    with caplog.at_level(logging.WARNING):
        for value in (object(), Local(a=1), [Account("a")], loop, iter([1]), lambda: 1):
            RAN.clear()
            assert tell_type(value) == tell_type(value) == type(value).__name__
            assert len(RAN) == 2
        assert _loader("users", object())(1).startswith("users 1 <object")
    assert not_kept(registry, "types", NotKept.ARGUMENT) == 12
    assert [record.getMessage() for record in caplog.records] == [
        "cached(name='types') does not keep this result of tests.cache.test_keys.tell_type: the "
        "argument value is or contains an instance of object; pass key= with a value that "
        "identifies the result",
        "cached(name='rows') does not keep this result of tests.cache.test_keys._loader.<locals>"
        ".load: the function reads session of its enclosing function, a value of type object; pass "
        "key= with a value that identifies the result",
    ]


@cached(name="types", ttl=60)
def tell_type(value: Any) -> str:
    """Return the name of a type."""
    RAN.append(value)
    return type(value).__name__


def test_a_key_of_ones_own_names_what_tells_results_apart(
    client: Any, registry: MetricsRegistry
) -> None:
    """``key`` takes parameters by name: a session is left out, a user is represented by an id."""

    @cached(name="keyed", ttl=60, key=lambda user, page: (user["id"], page))
    def load(session: object, user: dict[str, Any], page: int = 1) -> str:
        RAN.append(user)
        return f"{user['id']} {page}"

    assert load(object(), {"id": 1, "seen": 1}) == load(object(), {"id": 1, "seen": 2}, page=1)
    assert load(object(), {"id": 2}) == "2 1"
    assert load(object(), {"id": True}) == "True 1"
    assert counts(registry, "keyed") == (1, 3)
    with pytest.raises(KeyError):  # the function's own; what key= raised costs the cache alone
        load(object(), {})


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            {"key": lambda user: user},
            ValueError,
            "key requires 'user', but .* has no such parameter",
        ),
        ({"key": str}, ValueError, "write a lambda"),
        ({"tags": ["user:{user}"]}, ValueError, "requires 'user', but .* has no such parameter"),
        ({"tags": ["user:{}"]}, ValueError, "requires ''"),
        ({"tags": "users"}, TypeError, r"write tags=\['users'\]"),
        ({"ttl": 0}, ValueError, "use whole seconds, 1 or more"),
        ({"ttl": 1.5}, ValueError, "use whole seconds, 1 or more"),
        ({"none_ttl": -1}, ValueError, "use whole seconds, 0 or more"),
    ],
)
def test_invalid_options_raise_at_the_decoration(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    """A wrong option raises one message with the correct form, before any call."""
    with pytest.raises(error, match=said):
        cached(**{"name": "x", "ttl": 60, **options})(pow_of)


def test_keys_hold_service_environment_and_name_but_no_secret(
    redis_server: Redis, client: Any, registry: MetricsRegistry
) -> None:
    """Services and environments on one Redis never meet; arguments and tags are digests."""

    @cached(name="a:b", ttl=60, tags=["token:{token}", "{login.user}"])
    def secret(token: str, login: Login) -> int:
        RAN.append(token)
        return 1

    hidden = Login(user="hunter2", password=SecretStr("hunter3"))
    secret("hunter1", hidden)
    stored = {key: client.get(key) for key in client.scan_iter()}
    assert not [key for key in stored if b"hunter" in key or b"hunter" in stored[key]]
    assert [key for key in stored if key.startswith(b"etter-obs:shop:test:a%3Ab:{")]
    assert all(client.ttl(key) > 0 for key in stored)
    for more in ({"service": "shop:test", "environment": "a"}, {"environment": "staging"}):
        undo = bind(cache_of(client, registry, **more))
        secret("hunter1", hidden)
        undo()
    assert len(RAN) == 3


SCRIPT = """\
import sys, redis
from tests.cache import test_keys as t
from tests.cache.caches import RAN, cache_of
from etter_obs._internal.cache import bind
from etter_obs._internal.metrics.registry import MetricsRegistry
client = redis.Redis.from_url(sys.argv[1])
bind(cache_of(client, MetricsRegistry("etter"), timeout=30))
for value in ({"b", "a", "c", "d"}, t.Login(user="u"), t.Point({1, 2}, t.Colour.RED), t.Number,
              [t.Bits.A | t.Bits.B, t.UUID], {"x": frozenset("abcdef")}):
    t.tell_type(value)
print(len(RAN))
"""


def test_another_process_finds_the_same_keys(redis_server: Redis) -> None:
    """A second process with another hash seed finds every result."""
    ran = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, redis_server.url],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    ]
    assert ran == ["6\n", "0\n"]
