"""Grafana's data sources and the links between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from stack.layout import CHECKOUT

_PROVISIONING = CHECKOUT / "grafana/provisioning"


def _sources() -> dict[str, dict[str, Any]]:
    text = (_PROVISIONING / "datasources/stack.yaml").read_text(encoding="utf-8")
    return {each["uid"]: each for each in yaml.safe_load(text)["datasources"]}


def _links(node: Any) -> Iterator[str]:
    """Every uid that a data source's settings point at."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("datasourceUid", "alertmanagerUid"):
                yield value
            else:
                yield from _links(value)
    elif isinstance(node, list):
        for each in node:
            yield from _links(each)


def test_every_link_leads_to_a_data_source() -> None:
    """Metric to trace, trace to logs, metrics and service map, log to trace: each end exists."""
    sources = _sources()
    linked = {uid: set(_links(each["jsonData"])) for uid, each in sources.items()}
    assert linked["prometheus"] == {"tempo", "alertmanager"}
    assert linked["loki"] == {"tempo"}
    assert linked["tempo"] == {"loki", "prometheus"}
    assert set().union(*linked.values()) <= set(sources)


def test_every_data_source_is_a_service_of_compose() -> None:
    """Each URL names a service of docker-compose.yml, at the port that Prometheus scrapes too."""
    for uid, source in _sources().items():
        targets = (CHECKOUT / f"prometheus/targets/{uid}.yml").read_text(encoding="utf-8")
        [address] = yaml.safe_load(targets)[0]["targets"]
        own = address.replace("localhost", "prometheus")  # Prometheus scrapes itself
        assert source["url"] == f"http://{own}"


def test_dashboards_come_from_where_compose_mounts_them() -> None:
    """The provider's folder and the home dashboard are in what docker-compose.yml mounts."""
    read = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    grafana = read["services"]["grafana"]
    assert "./grafana:/etc/etter-obs/grafana:ro" in grafana["volumes"]
    text = (_PROVISIONING / "dashboards/dashboards.yaml").read_text(encoding="utf-8")
    [provider] = yaml.safe_load(text)["providers"]
    assert provider["options"]["path"] == "/etc/etter-obs/grafana/dashboards"
    assert grafana["environment"]["GF_PATHS_PROVISIONING"] == "/etc/etter-obs/grafana/provisioning"
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (CHECKOUT / home.removeprefix("/etc/etter-obs/")).is_file()
