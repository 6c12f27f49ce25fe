"""`etter-obs slo simulate`: outages through the generated rules, by the real promtool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etter_obs._internal.cli import main
from stack.build import binary
from tests.slo.specs import text_of

SLO = (
    "{ name: availability, description: No server error., objective: 99.9%, "
    "sli: { requests: { bad_status: 5xx } }, alerting: $alerting }"
)
PAGE = "{ mode: burn-rate, tiers: [page-1h] }"


def simulate(
    folder: Path, *arguments: str, alerting: str = PAGE, promtool: Path | None = None
) -> Result:
    """Run the command on a project with one SLO."""
    (folder / "slo.yaml").write_text(
        text_of(SLO.replace("$alerting", alerting), environment="test")
    )
    tool = str(promtool or binary("promtool"))
    command = ["slo", "simulate", "--slo", "availability", "--dir", str(folder), "--promtool", tool]
    return CliRunner().invoke(main, [*command, *arguments])


def episodes(result: Result) -> list[tuple[str, int, int | None]]:
    """What fired, from when to when, in seconds."""
    assert result.exit_code == 0, result.output
    return [(e["alert"], e["start"], e["end"]) for e in json.loads(result.stdout)]


def test_a_full_outage_pages_within_two_minutes_and_clears_in_five(tmp_path: Path) -> None:
    """At 100 % errors 1.44 % of an hour, 52 s, is enough; the page ends 5 min after the outage."""
    result = simulate(tmp_path, "--error-rate", "100%", "--for", "20m", "--format", "json")
    ((alert, start, end),) = episodes(result)
    assert alert == "SLOBurnRatePage1h"
    assert 52 <= start <= 120
    assert end is not None
    assert 1200 + 240 <= end <= 1200 + 330


def test_every_tier_is_played_and_the_slower_fire_later(tmp_path: Path) -> None:
    """At 10 % errors all four tiers fire, at the times that their windows and factors give."""
    arguments = ["--error-rate", "10%", "--for", "2h", "--format", "json"]
    found = {
        alert: start
        for alert, start, _ in episodes(simulate(tmp_path, *arguments, alerting="burn-rate"))
    }
    expected = {  # threshold / share of bad events x long window
        "SLOBurnRatePage1h": 0.0144 / 0.1 * 3600,
        "SLOBurnRatePage6h": 0.006 / 0.1 * 6 * 3600,
        "SLOBurnRateTicket1d": 0.003 / 0.1 * 86400,
        "SLOBurnRateTicket3d": 0.001 / 0.1 * 3 * 86400,
    }
    assert found.keys() == expected.keys()
    for alert, seconds in expected.items():
        assert seconds <= found[alert] <= seconds + 180, alert


def test_two_faults_are_two_episodes(tmp_path: Path) -> None:
    """An alert that clears between two faults is reported twice."""
    steps = [("100%", "10m"), ("0%", "70m"), ("100%", "10m")]
    arguments = [
        word for share, length in steps for word in ("--error-rate", share, "--for", length)
    ]
    found = episodes(simulate(tmp_path, *arguments, "--format", "json"))
    assert [alert for alert, _, _ in found] == ["SLOBurnRatePage1h"] * 2


def test_little_traffic_pages_nobody(tmp_path: Path) -> None:
    """Three failed requests an hour are a full outage and yet no page: the guard holds it back."""
    arguments = ["--error-rate", "100%", "--for", "1h", "--traffic", "3/h", "--format", "json"]
    assert episodes(simulate(tmp_path, *arguments)) == []


def test_the_terminal_shows_a_table_and_a_plot(tmp_path: Path) -> None:
    """Without --format there is a row for each alert and a lane for each that fired."""
    result = simulate(tmp_path, "--error-rate", "100%", "--for", "20m")
    assert result.exit_code == 0, result.output
    assert "SLONoData" in result.stdout
    lanes = [line for line in result.stdout.splitlines() if "█" in line and "│" not in line]
    assert [lane.split()[0] for lane in lanes] == ["share", "SLOBurnRatePage1h"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--error-rate", "200", "--for", "5m"], "did you mean 200%?"),
        (["--error-rate", "5%", "--for", "5"], "it has no unit"),
        (["--error-rate", "5%", "--for", "1s"], "from 30s to 7d"),
        (["--error-rate", "5%", "--for", "5m", "--for", "6m"], "use one --for per --error-rate"),
        (["--error-rate", "5%", "--for", "5m", "--traffic", "many"], "is not a rate"),
        (
            ["--error-rate", "5%", "--for", "5m", "--slo", "availabilty"],
            "did you mean availability?",
        ),
        (
            ["--error-rate", "5%", "--for", "5m", "--promtool", "nowhere"],
            "--promtool': File 'nowhere' does not exist",
        ),
    ],
)
def test_a_wrong_argument_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    """What cannot be played is exit code 2 and a message with the remedy."""
    result = simulate(tmp_path, *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_an_slo_that_does_not_alert_cannot_be_played(tmp_path: Path) -> None:
    """With alerting off there is nothing to simulate; the output says so."""
    result = simulate(tmp_path, "--error-rate", "5%", "--for", "5m", alerting="off")
    assert result.exit_code == 2
    assert "alerting is off" in result.output


def test_a_program_that_is_no_promtool_is_an_error(tmp_path: Path) -> None:
    """No output is an error, not silent alerts."""
    result = simulate(tmp_path, "--error-rate", "5%", "--for", "5m", promtool=Path("/bin/true"))
    assert result.exit_code == 2
    assert "gave no result" in result.output
