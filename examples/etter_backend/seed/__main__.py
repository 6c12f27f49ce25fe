"""Command to fill the configured database: ``python -m examples.etter_backend.seed``."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import fields

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from examples.etter_backend.database.engines import sync_url
from examples.etter_backend.migrations import INDEXES, TABLES, current, migrate
from examples.etter_backend.seed import LARGE, Scale, is_empty, seed
from examples.etter_backend.settings import Settings


def main() -> int:
    """Create and fill the tables; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.etter_backend.seed",
        description="Create the tables of the configured database (DATABASE_URL or ETTER_DB_…) and "
        "fill them with synthetic rows. The indexes are created after the rows.",
        epilog="example: DATABASE_URL=postgresql://etter@localhost/etter "
        "python -m examples.etter_backend.seed --users 5000",
    )
    for each in fields(Scale):
        default = getattr(LARGE, each.name)
        parser.add_argument(
            f"--{each.name}", type=_positive, default=default, help=f"default: {default:,}"
        )
    parser.add_argument("--no-indexes", action="store_true", help="do not create the indexes")
    given = vars(parser.parse_args())
    no_indexes = given.pop("no_indexes")
    console = Console(stderr=True)
    started = time.monotonic()
    engine = create_engine(sync_url(Settings.or_exit()))
    try:
        with engine.connect() as connection:
            if current(connection) is not None and not is_empty(connection):
                console.print("the database already has rows; use an empty one")
                return 1
        migrate(engine, TABLES)
        with engine.begin() as connection, _bars(console) as bars:
            tasks: dict[str, TaskID] = {}

            def show(table: str, done: int, total: int) -> None:
                if table not in tasks:
                    tasks[table] = bars.add_task(table, total=total)
                bars.update(tasks[table], completed=done)

            seed(connection, Scale(**given), show)
        if not no_indexes:
            with console.status("indexes"):
                migrate(engine, INDEXES)
        elif engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                connection.execute(text("ANALYZE"))
    except SQLAlchemyError as error:
        console.print(f"the database failed: {type(error).__name__}: {error.__cause__ or error}")
        return 1
    console.print(f"done in {time.monotonic() - started:.0f} s")
    return 0


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError("use a whole number of 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
