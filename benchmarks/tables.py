"""Prints a table for a terminal, or in Markdown for the documentation."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def show(table: Table, *, markdown: bool, width: int = 150) -> None:
    """Print the table.

    Args:
        table: The table.
        markdown: Whether to print Markdown.
        width: Characters of a line in the terminal.
    """
    if not markdown:
        Console(width=width).print(table)
        return
    print(f"{table.title}\n")
    print("| " + " | ".join(str(column.header) for column in table.columns) + " |")
    aligned = ["--:" if column.justify == "right" else "---" for column in table.columns]
    print("|" + "|".join(aligned) + "|")
    for row in zip(*(column.cells for column in table.columns), strict=True):
        print("| " + " | ".join(map(str, row)) + " |")
    print()
