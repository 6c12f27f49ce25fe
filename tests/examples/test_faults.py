"""The fault switch: off unless asked for, exact in what it breaks, seen by every worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from examples.etter_backend.controls.faults import BrokenOnPurposeError, Fault, FaultSwitch, Target


async def test_a_switch_that_is_not_enabled_breaks_nothing(tmp_path: Path) -> None:
    """Even with faults in its file, a disabled switch lets every call pass."""
    path = tmp_path / "faults.json"
    FaultSwitch(path, enabled=True).set(Target.COMPANIES, Fault(error_share=1))
    await FaultSwitch(path, enabled=False).strike(Target.COMPANIES)


async def test_another_worker_sees_the_change_at_its_next_call(tmp_path: Path) -> None:
    """A second switch on the same file breaks and repairs with the first, target by target."""
    path = tmp_path / "faults.json"
    here, there = FaultSwitch(path, enabled=True), FaultSwitch(path, enabled=True)
    await there.strike(Target.COMPANIES)
    here.set(Target.COMPANIES, Fault(error_share=1))
    with pytest.raises(BrokenOnPurposeError, match="companies"):
        await there.strike(Target.COMPANIES)
    await there.strike(Target.WORKFLOWS)
    here.set(Target.COMPANIES, None)
    await there.strike(Target.COMPANIES)


async def test_two_changes_in_one_tick_of_the_file_systems_clock_are_two(tmp_path: Path) -> None:
    """A switch sees a change whose time is that of the change before."""
    path = tmp_path / "faults.json"
    here, there = FaultSwitch(path, enabled=True), FaultSwitch(path, enabled=True)
    here.set(Target.COMPANIES, Fault(error_share=1))
    os.utime(path, ns=(1, 1))
    with pytest.raises(BrokenOnPurposeError):
        await there.strike(Target.COMPANIES)
    here.set(Target.COMPANIES, None)
    os.utime(path, ns=(1, 1))
    await there.strike(Target.COMPANIES)


@pytest.mark.parametrize("wrong", [{"error_share": 1.1}, {"latency_seconds": -1}])
def test_a_fault_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    """A share above one or a negative time is refused."""
    with pytest.raises(ValidationError):
        Fault(**wrong)
