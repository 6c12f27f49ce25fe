"""What a SQL text does, and how it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etter_obs.database.statements import KINDS, Statements, describe


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("select 1", "select"),
        ("  (SELECT 1) UNION (SELECT 2)", "select"),
        ("/* insert */ -- delete\n UPDATE t SET a=1", "update"),
        ("WITH a AS (SELECT 1), b AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT 1", "insert"),
        ("WITH a AS (SELECT ')') DELETE FROM t", "delete"),
        ("with recursive a(n) as (select 1) select * from a", "select"),
        ("BEGIN", "other"),
        ("CREATE TABLE selecta (x int)", "other"),
        ("MERGE INTO t USING u", "other"),
        ("", "other"),
        ("'select'", "other"),
    ],
)
def test_the_kind_is_what_the_statement_does(sql: str, kind: str) -> None:
    """Comments, parentheses and common table expressions do not hide the verb."""
    assert describe(sql).kind == kind


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT * FROM t WHERE a = 'it''s' AND b=-12.5e3", "SELECT * FROM t WHERE a = ? AND b=?"),
        (
            "SELECT t1.c2 FROM t1 WHERE x = :x_1 AND y = $2",
            "SELECT t1.c2 FROM t1 WHERE x = :x_1 AND y = $2",
        ),
        ("SELECT $$se'cret$$, $q$a $$ b$q$, 0xFF", "SELECT ?, ?, ?"),
        ("SELECT 'cut off", "SELECT ?"),
        ("SELECT\n\n  a\tFROM b", "SELECT a FROM b"),
    ],
)
def test_values_are_not_shown(sql: str, shown: str) -> None:
    """Texts and numbers become question marks; names and parameters stay."""
    assert describe(sql).shown == shown


@given(st.text())
def test_any_text_has_a_kind(sql: str) -> None:
    """Whatever a driver is asked to run, its kind is one of the vocabulary."""
    assert Statements()(sql).kind in KINDS


@given(st.text(st.characters(exclude_characters="'\\", exclude_categories=["Cs"]), min_size=8))
def test_no_text_value_is_shown(value: str) -> None:
    """A quoted value never stays in the shown text."""
    assert describe(f"SELECT x FROM t WHERE y = '{value}'").shown == "SELECT x FROM t WHERE y = ?"


def test_memory_stays_bounded() -> None:
    """Neither a huge statement nor ever new ones are kept for good."""
    statements = Statements()
    huge = "INSERT INTO t VALUES " + ", ".join("(1, 'x')" for _ in range(100_000))
    kind, shown = statements(huge)
    assert kind == "insert"
    assert len(shown) <= 1000
    assert max(len(text) for text in statements._known) <= 4096
    for n in range(5000):
        statements(f"SELECT {n}")
    assert len(statements._known) <= 1024
