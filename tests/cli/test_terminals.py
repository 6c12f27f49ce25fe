"""Terminals that are not UTF-8: a character that they lack is written otherwise, never an error."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from stack.build import binary

ROOT = Path(__file__).parents[2]
LOCALE_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
TERMINALS = {
    "locale C": (LOCALE_C, "ascii"),
    "ascii": ({"PYTHONIOENCODING": "ascii"}, "ascii"),
    "ascii, strict": ({"PYTHONIOENCODING": "ascii:strict"}, "ascii"),
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
    "code page 1252": ({"PYTHONIOENCODING": "cp1252"}, "cp1252"),
}
COMMANDS = (
    ("slo check", 0),
    ("slo check --dir café→", 2),
    ("dashboards check --help", 0),
    ("slo gate run.json --users 500", 2),
    ("generate --check", 0),
    ("check --no-tests", 0),
    ("dashboards check", 0),
)


def _ask(command: str, env: dict[str, str], cwd: Path = ROOT) -> tuple[int, bytes]:
    return _run(f"etter_obs {command}", env, cwd)


def _run(command: str, env: dict[str, str], cwd: Path = ROOT) -> tuple[int, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=cwd,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("terminal", TERMINALS)
def test_no_character_ends_a_command(terminal: str) -> None:
    """The exit code is the command's own, and what it wrote is in the terminal's encoding."""
    env, encoding = TERMINALS[terminal]
    code, said = _ask("slo check", env)
    text = said.decode(encoding)
    assert code == 0, text
    assert "Traceback" not in text
    assert "â" not in text, "UTF-8 in another encoding"


@pytest.mark.parametrize(("command", "expected"), COMMANDS[1:])
def test_every_command_speaks_ascii(command: str, expected: int) -> None:
    """Under plain ASCII each command ends as it does elsewhere, and a table keeps its lines."""
    code, said = _ask(command, TERMINALS["ascii"][0])
    assert code == expected, said
    assert said.isascii()


def test_arrows_and_bars_stay_readable(tmp_path: Path) -> None:
    """What has a plain form is written so: an arrow, the bars of a plot.

    promtool is the file beside it that the option names, as `check` advises.
    """
    (tmp_path / "promtool").symlink_to(binary("promtool"))
    outage = "--slo availability --error-rate 100% --for 5m --promtool ./promtool"
    code, said = _ask(f"slo simulate {outage} --dir {ROOT}", LOCALE_C, tmp_path)
    assert code == 0, said
    lane = next(line for line in said.decode("ascii").splitlines() if line.startswith("share of"))
    assert "#" in lane
    assert "_" in lane
    _, said = _ask("slo check --dir café→", {"PYTHONIOENCODING": "ascii"})
    assert rb"caf\xe9->" in said


@pytest.mark.parametrize("command", ["stack path --help", "demo --help"])
def test_the_checkouts_own_programs_speak_ascii_too(command: str) -> None:
    """What drives the stack and the demo ends with 0 there, and writes no UTF-8."""
    code, said = _run(command, TERMINALS["ascii"][0])
    assert code == 0, said
    assert said.isascii()


def test_a_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    """A folder whose name is not UTF-8 is named in the error, on a UTF-8 terminal too."""
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(folder).mkdir()
    code, said = _ask(f"generate --dir {folder}", {"PYTHONIOENCODING": "utf-8"})
    assert code == 2, said
    assert b"caf\\udce9/slo.yaml: no such file" in said


def test_a_real_terminal_in_the_locale_c() -> None:
    """On a terminal, colours and all, the table comes out in ASCII."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "etter_obs", "slo", "check"],
        cwd=ROOT,
        env=os.environ | LOCALE_C | {"TERM": "xterm", "COLUMNS": "160"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        said = bytearray()
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:  # Linux says the end of a terminal so
            pass
        os.close(ours)
    assert process.returncode == 0, said
    assert said.isascii()
    assert b"page-1h" in said
