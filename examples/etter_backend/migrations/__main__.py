"""Command to migrate the configured database: ``python -m examples.etter_backend.migrations``."""

from __future__ import annotations

import argparse
import sys

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from examples.etter_backend.database.engines import sync_url
from examples.etter_backend.migrations import INDEXES, TABLES, current, migrate
from examples.etter_backend.settings import Settings


def main() -> int:
    """Apply the revision of the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.etter_backend.migrations",
        description="Bring the configured database to a revision, or print the current one.",
    )
    parser.add_argument("revision", nargs="?", choices=(TABLES, INDEXES))
    revision = parser.parse_args().revision
    engine = create_engine(sync_url(Settings.or_exit()))
    try:
        if revision is not None:
            migrate(engine, revision)
        with engine.connect() as connection:
            sys.stdout.write(f"{current(connection) or 'empty'}\n")
    except SQLAlchemyError as error:
        sys.stderr.write(f"the database failed: {type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
