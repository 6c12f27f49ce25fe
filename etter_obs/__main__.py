"""``etter-obs``, also ``python -m etter_obs``: the command line, or the line that installs it."""

from __future__ import annotations

import sys

from etter_obs._internal.optional_dependencies import COMMANDS


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: always, with the command's exit code; 2 where the extra ``cli`` is not
            installed.
    """
    fault = COMMANDS.fault()
    if fault is not None:
        print(f"etter-obs: {COMMANDS.remedy(fault)}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2)
    from etter_obs._internal.cli import main as commands

    commands(prog_name="etter-obs")


if __name__ == "__main__":
    main()
