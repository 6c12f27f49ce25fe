"""What a SQL text does, and how it is shown."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etter_obs._internal.redaction.sql import KINDS, Statements, describe


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
        ('SELECT * FROM u WHERE p = "Hunter2" AND q = 1', "SELECT * FROM u WHERE p = ? AND q = ?"),
        ('SELECT "cut off', "SELECT ?"),
        (
            'SELECT "user"."id" FROM "user" JOIN "a b" ON "a b".x = "user".y',
            'SELECT "user"."id" FROM "user" JOIN "a b" ON "a b".x = "user".y',
        ),
        ('INSERT INTO "order" (a) VALUES ("x""y")', 'INSERT INTO "order" (a) VALUES (?)'),
        ("SELECT `it's` FROM t WHERE a = 'x'", "SELECT `it's` FROM t WHERE a = ?"),
        (r"SELECT E'a\'Hunter2' FROM t", "SELECT ? FROM t"),
        (r"SELECT 'a\'Hunter2', 'b' FROM t", "SELECT ?"),
        (r"SELECT 'C:\\', 'Hunter2' FROM t", "SELECT ?, ? FROM t"),
        (r'SELECT "a\"Hunter2" FROM t', "SELECT ?"),
        ("SELECT 1 -- Hunter2\nFROM t", "SELECT ? FROM t"),
        ("SELECT /* Hunter2 */ a # Hunter2\nFROM t", "SELECT a FROM t"),
        ("SELECT a /* /* Hunter2 */ Hunter2 */ FROM t", "SELECT a"),
        ("SELECT a->'b'#>>'{c}' FROM t", "SELECT a->?#>>? FROM t"),
        ("SELECT .5, -.5e3, t.c5", "SELECT ?, ?, t.c5"),
        ("SELECT\n\n  a\tFROM b", "SELECT a FROM b"),
    ],
)
def test_values_are_not_shown(sql: str, shown: str) -> None:
    """Strings and numbers become question marks, comments vanish; names and parameters remain."""
    assert describe(sql).shown == shown


@given(st.text())
def test_any_text_has_a_kind(sql: str) -> None:
    """Whatever a driver is asked to run, its kind is one of the vocabulary."""
    assert Statements()(sql).kind in KINDS


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8), st.sampled_from("'\""))
def test_no_text_value_is_shown(value: str, quote: str) -> None:
    """A quoted value never stays in the shown text, in either way of escaping its quotes."""
    doubled = value.replace("\\", "").replace(quote, quote * 2)
    sql = f"SELECT x FROM t WHERE y = {quote}{doubled}{quote}"
    assert describe(sql).shown == "SELECT x FROM t WHERE y = ?"
    escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    sql = f"SELECT x FROM t WHERE y = {quote}{escaped}{quote}"
    assert describe(sql).shown == "SELECT x FROM t WHERE y = ?"


def test_no_statement_takes_long() -> None:
    """A statement made to hurt is described in proportion to its length."""
    for part in (
        "'",
        '"',
        "\\'",
        "/*",
        "$a$",
        "/**/",
        "--",
        '."',
        "from ",
        "1",
        "''",
        "\\",
        "`",
        "[",
    ):
        began = time.thread_time()
        describe(part * 20_000)
        assert time.thread_time() - began < 1.0, part


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
