"""A run directory: the shipped configuration, with the addresses of this run."""

from __future__ import annotations

import socket
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from stack.layout import CHECKOUT, Ports, PortTakenError, copy_config, lay_out, write_targets
from stack.versions import NATIVE


def _targets(run_dir: Path) -> dict[str, list[str]]:
    folder = run_dir / "config/prometheus/targets"
    return {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))[0]["targets"]
        for path in folder.glob("*.yml")
    }


def test_prometheus_is_told_only_of_what_runs(tmp_path: Path) -> None:
    """Each component that runs, and the app, has its address; what does not run has none."""
    ports = Ports.free()
    lay_out(tmp_path, CHECKOUT, ports, ("prometheus", "loki"), {"etter": ["127.0.0.1:1"]}, None)
    assert _targets(tmp_path) == {
        "prometheus": [f"127.0.0.1:{ports.prometheus}"],
        "loki": [f"127.0.0.1:{ports.loki}"],
        "etter": ["127.0.0.1:1"],
    }


def test_every_job_of_prometheus_has_its_address_in_a_file(tmp_path: Path) -> None:
    """No job of prometheus.yml has an address in it; natively each component's file is written."""
    lay_out(tmp_path, CHECKOUT, Ports(), NATIVE, {}, None)
    read = yaml.safe_load((CHECKOUT / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = {
        job["job_name"]: job["file_sd_configs"][0]["files"][0] for job in read["scrape_configs"]
    }
    assert jobs == {name: f"targets/{name}.yml" for name in jobs}
    shipped = {path.stem for path in (CHECKOUT / "prometheus/targets").glob("*.yml")}
    assert shipped == set(jobs) | {"etter"}
    assert set(_targets(tmp_path)) == set(jobs) - {"grafana", "redis", "postgres"}


def test_a_second_copy_follows_the_source_and_keeps_the_run_s_own_files(tmp_path: Path) -> None:
    """A rule file that went from the project goes from the copy; targets and secrets stay."""
    source, run_dir = tmp_path / "project", tmp_path / "run"
    for folder in ("prometheus/rules", "alerts", "otel-collector", "loki"):
        (source / folder).mkdir(parents=True)
    (source / "prometheus/rules/old.yml").touch()
    lay_out(run_dir, source, Ports(), ("loki",), {}, "http://127.0.0.1:1/hook")
    (source / "prometheus/rules/old.yml").rename(source / "prometheus/rules/new.yml")
    copy_config(source, run_dir)
    assert [path.name for path in (run_dir / "config/prometheus/rules").iterdir()] == ["new.yml"]
    assert "loki" in _targets(run_dir)
    secret = run_dir / "config/secrets/alertmanager/webhook-url"
    assert secret.read_text(encoding="utf-8") == "http://127.0.0.1:1/hook"


def test_prometheus_reads_the_project_s_own_token(tmp_path: Path) -> None:
    """It is found where a scrape job looks for it, without a copy, whichever project ran before."""
    for name in ("first", "second"):
        held = tmp_path / name / "secrets/prometheus/metrics-token"
        held.parent.mkdir(parents=True)
        for folder in ("prometheus", "alerts", "otel-collector", "loki"):
            (tmp_path / name / folder).mkdir()
        lay_out(tmp_path / "run", tmp_path / name, Ports(), (), {}, None)
        held.write_text(name, encoding="utf-8")
        seen = tmp_path / "run/config/prometheus/../secrets/prometheus/metrics-token"
        assert seen.read_text(encoding="utf-8") == name


def test_targets_change_in_one_step(tmp_path: Path) -> None:
    """New targets replace the file whole: who has the old one open still reads the old."""
    (tmp_path / "config/prometheus/targets").mkdir(parents=True)
    write_targets(tmp_path, "etter", ["127.0.0.1:1"])
    with (tmp_path / "config/prometheus/targets/etter.yml").open(encoding="utf-8") as old:
        write_targets(tmp_path, "etter", ["127.0.0.1:2"])
        assert "127.0.0.1:1" in old.read()
    assert _targets(tmp_path) == {"etter": ["127.0.0.1:2"]}


def test_free_ports_are_distinct_and_free() -> None:
    """Every listener gets a port of its own that can be bound."""
    ports = Ports.free()
    assert len(set(asdict(ports).values())) == len(asdict(ports))
    ports.require_free()


def test_a_taken_port_is_named() -> None:
    """A port in use is refused by number and by whose it is, with the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"{port} \(loki\).*--ports free"):
            Ports(loki=port).require_free(grafana=False)
