"""One click for each step, from the alert to the line of code: every link, from the shipped files.

Grafana itself has no native build. Its part is done by hand here: what it would fill in is filled
in as its documents say, and what it would then ask or open is asked of the real servers. Traces are
asked for by Tempo's API, which natively the trace store serves.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from demo.receiver import Delivery
from etter_obs._internal.conventions import Alert, Dashboard, Label
from etter_obs._internal.dashboards.lint.model import BoardView, expression_of
from etter_obs._internal.dashboards.lint.rendered_queries import fill, opening_values, panel_queries
from etter_obs._internal.slo.alerts.alertmanager import alertmanager
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.spec.receivers import Receiver, Receivers, Slack
from stack.native import running
from tests import tempo
from tests.e2e.conftest import Observed
from tests.e2e.test_every_query import ask
from tests.slo.alerting import receiving
from tests.tempo import StoredSpan
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.waits]

ROOT = Path(__file__).parents[2]
PAGE = Alert.burn_rate("page", "1h")
HOUR_MS = 3_600_000


# -- what is shipped ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def boards() -> dict[str, BoardView]:
    """Every shipped dashboard, by the uid that links go by."""
    found = [
        BoardView(path.name, json.loads(path.read_text()))
        for path in (ROOT / "grafana/dashboards").glob("*.json")
    ]
    return {board.raw["uid"]: board for board in found}


@pytest.fixture(scope="module")
def sources() -> dict[str, dict[str, Any]]:
    """Every provisioned data source by uid, as Grafana reads it: ``$$`` there means ``$``."""
    text = (ROOT / "grafana/provisioning/datasources/stack.yaml").read_text()
    return {each["uid"]: each for each in yaml.safe_load(text.replace("$$", "$"))["datasources"]}


def require_dashboard(url: str, boards: Mapping[str, BoardView]) -> dict[str, str]:
    """Fail unless ``url`` opens a shipped dashboard with variables that it has; return its query.

    A link between dashboards is given its variables by Grafana: ``${service:queryparam}``.
    """
    written = re.sub(r"\$\{(\w+):queryparam\}", r"var-\1=any", url)
    written = written.replace("${__url_time_range}", "from=now-1h&to=now")
    parts = urlsplit(written)
    match = re.fullmatch(r"/d/([\w-]+)", parts.path)
    assert match, url
    assert match[1] in boards, url
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for name in query:
        known = name in ("from", "to") or name.removeprefix("var-") in boards[match[1]].variables
        assert known, f"{url}: {match[1]} has no variable {name}"
    return query


def require_section(link: str, folder: str) -> None:
    """Fail unless ``link``, below ``folder``, is a runbook that has the section it names.

    Of the chosen SLO (``${slo}``) there is one where it has that alert; else the page's top opens.
    """
    path, _, anchor = link.removeprefix(folder).partition("#")
    runbook = ROOT / "alerts/runbooks" / path.lstrip("/")
    assert runbook.is_file(), link
    headings = re.findall(r"^#+ (.+)$", runbook.read_text(), re.MULTILINE)
    assert anchor in ("", "${slo}", *headings), f"{link}: no such section"


def links(panel: Mapping[str, Any]) -> list[str]:
    """The address of every link of a panel, its fields and its cells."""
    found: list[str] = []

    def look(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("url"), str):
                found.append(node["url"])
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            for value in node:
                look(value)

    look(panel)
    return found


# -- alert → dashboard, runbook, silence ----------------------------------------------------------


@pytest.fixture(scope="module")
def page(observed_under_load: Observed) -> Delivery:
    """A page of availability as the real Prometheus raised it and Alertmanager delivered it."""
    receiver = observed_under_load.receiver
    return eventually(
        lambda: next(
            (
                each
                for each in receiver.deliveries
                if (each.name, each.slo, each.status) == (PAGE, "availability", "firing")
            ),
            None,
        ),
        deadline_s=240,
        every_s=1,
        tell=lambda: [(each.name, each.slo) for each in receiver.deliveries],
    )


def test_the_message_opens_the_right_dashboard_at_the_right_time(
    observed_under_load: Observed,
    page: Delivery,
    boards: dict[str, BoardView],
    tmp_path: Path,
) -> None:
    """What Alertmanager renders into a chat message leads to the SLO, at the time of the alert."""
    secret = "secrets/alertmanager/webhook-url"
    channel = Receiver(slack=Slack(channel="#alerts", url_file=secret))
    spec = load_spec(ROOT / "slo.yaml").model_copy(
        update={"receivers": Receivers(page=channel, ticket=channel)}
    )
    for folder in ("prometheus", "alerts", "otel-collector", "loki"):
        shutil.copytree(ROOT / folder, tmp_path / "project" / folder)
    for path, text in alertmanager(spec).items():
        (tmp_path / "project" / path).write_text(text)
    with (
        receiving() as (url, posts),
        running(
            tmp_path / "run",
            only=("alertmanager",),
            webhook=f"{url}/hook",
            config_root=tmp_path / "project",
        ) as stack,
    ):
        alert = {"labels": page.labels, "annotations": page.annotations, "startsAt": page.starts_at}
        httpx.post(
            f"{stack.alertmanager}/api/v2/alerts", json=[alert], timeout=30
        ).raise_for_status()
        _, body = eventually(lambda: posts, deadline_s=60)[0]
        [message] = body["attachments"]
        external = stack.alertmanager

    dashboard = message["title_link"]
    buttons = {action["text"]: action["url"] for action in message["actions"]}
    assert buttons["Dashboard"] == dashboard
    assert f"Dashboard: {dashboard}\n" in message["text"]
    assert dashboard.startswith(spec.links.grafana + f"/d/{Dashboard.SLO_DETAIL}?")
    query = require_dashboard(dashboard.removeprefix(spec.links.grafana), boards)
    assert {name: value for name, value in query.items() if name.startswith("var-")} == {
        "var-service": page.labels[Label.SERVICE],
        "var-environment": page.labels[Label.ENVIRONMENT],
        "var-slo": page.labels[Label.SLO],
    }
    started = datetime.fromisoformat(page.starts_at).astimezone(UTC).timestamp() * 1000
    assert int(query["from"]) == pytest.approx(started - HOUR_MS, abs=1000)
    assert query["to"] == "now"

    # and the dashboard, opened so, shows what burned
    values = {name.removeprefix("var-"): value for name, value in query.items()}
    burn = [
        each
        for each in panel_queries(boards[Dashboard.SLO_DETAIL].raw, values)
        if each.panel == "Burn by window"
    ]
    assert burn
    answers = [ask(observed_under_load.stack.prometheus, each.expr) for each in burn]
    assert max(float(answer[0]["value"][1]) for answer in answers if answer) > 1

    runbook = buttons["Runbook"]
    assert runbook == page.annotations["runbook"]
    require_section(runbook, "alerts/runbooks")

    # Alertmanager's own form, filled in with the group
    silence = urlsplit(buttons["Silence"])
    assert f"{silence.scheme}://{silence.netloc}" == external
    [matchers] = parse_qs(silence.fragment.partition("?")[2])["filter"]
    assert f'{Label.SLO}="availability"' in matchers.strip("{}").split(",")


def test_every_alert_names_a_dashboard_and_a_section_of_a_runbook(
    observed_under_load: Observed, boards: dict[str, BoardView]
) -> None:
    """Each alert that the real Prometheus has loaded leads to pages that exist."""
    prometheus, grafana = observed_under_load.stack.prometheus, load_spec(ROOT / "slo.yaml").links
    answer = httpx.get(f"{prometheus}/api/v1/rules", params={"type": "alert"}, timeout=30).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert len(rules) > 50
    for rule in rules:
        url = rule["annotations"]["dashboard"]
        assert url.startswith(grafana.grafana), rule["name"]
        query = require_dashboard(url.removeprefix(grafana.grafana), boards)
        assert query.get("var-slo") == rule["labels"].get(Label.SLO), rule["name"]
        require_section(rule["annotations"]["runbook"], "alerts/runbooks")


# -- panel → dashboard, runbook -------------------------------------------------------------------


def test_every_link_of_a_panel_leads_somewhere(boards: dict[str, BoardView]) -> None:
    """Panels link to dashboards with variables that they have, and to runbooks that are served."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = dict(volume.split(":")[1::-1] for volume in compose["services"]["grafana"]["volumes"])
    runbooks = 0
    for board in boards.values():
        for panel in board.panels:
            for url in links(panel.raw):
                if url.startswith("/d/"):
                    require_dashboard(url, boards)
                    continue
                folder, _, _ = url.rpartition("/")
                assert mounts[f"/usr/share/grafana{folder}"] == "./alerts/runbooks", url
                require_section(url, folder)
                runbooks += 1
    assert runbooks > 20


# -- exemplar → trace → logs and metrics → trace --------------------------------------------------


@pytest.fixture(scope="module")
def span(
    observed_under_load: Observed,
    boards: dict[str, BoardView],
    sources: dict[str, dict[str, Any]],
) -> StoredSpan:
    """The server's span of the trace that an exemplar on the Service dashboard leads to.

    The exemplar's label and the data source that it opens are those of the provisioned link.
    """
    [link] = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert sources[link["datasourceUid"]]["type"] == "tempo"
    board = boards[Dashboard.SERVICE]
    queries = [
        fill(expression_of(target), opening_values(board))
        for panel in board.panels
        for target in panel.targets
        if target.get("exemplar")
    ]
    assert len(queries) > 2

    def found() -> StoredSpan | None:
        ids: set[str] = set()
        for query in queries:
            answer = httpx.get(
                f"{observed_under_load.stack.prometheus}/api/v1/query_exemplars",
                params={"query": query, "start": time.time() - 3600, "end": time.time()},
                timeout=30,
            ).json()
            assert answer["status"] == "success", (query, answer)
            ids |= {
                exemplar["labels"][link["name"]]
                for series in answer["data"]
                for exemplar in series["exemplars"]
            }
        return next(
            (
                each
                for trace_id in ids
                for each in tempo.trace(observed_under_load.stack.tempo, trace_id)
                if "http.route" in each.attributes
            ),
            None,
        )

    return eventually(found, deadline_s=120, every_s=2)


def tags(span: StoredSpan, wanted: list[dict[str, str]]) -> str:
    """What Grafana puts in the place of ``${__tags}``: the span's attributes, renamed."""
    return ", ".join(
        f'{tag["value"]}="{span.attributes[tag["key"]]}"'
        for tag in wanted
        if tag["key"] in span.attributes
    )


def loki(observed: Observed, query: str, start: float, end: float) -> list[dict[str, Any]]:
    """The streams that Loki finds; structured metadata is among their labels."""
    answer = httpx.get(
        f"{observed.stack.loki}/loki/api/v1/query_range",
        params={"query": query, "start": int(start * 1e9), "end": int(end * 1e9), "limit": 100},
        timeout=30,
    )
    assert answer.status_code == 200, f"{query}: {answer.text}"
    streams: list[dict[str, Any]] = answer.json()["data"]["result"]
    return streams


def test_a_span_leads_to_its_log_lines(
    observed_under_load: Observed, span: StoredSpan, sources: dict[str, dict[str, Any]]
) -> None:
    """Tempo's query for logs, filled in from a span, finds that trace's lines in the real Loki."""
    link = sources["tempo"]["jsonData"]["tracesToLogsV2"]
    assert sources[link["datasourceUid"]]["type"] == "loki"
    assert (link["spanStartTimeShift"], link["spanEndTimeShift"]) == ("-5m", "5m")
    query = link["query"].replace("${__tags}", tags(span, link["tags"]))
    query = query.replace("${__trace.traceId}", span.trace_id)
    assert "$" not in query
    streams = eventually(
        lambda: loki(observed_under_load, query, span.start - 300, span.start + 300),
        deadline_s=60,
        every_s=2,
    )
    assert {each["stream"]["trace_id"] for each in streams} == {span.trace_id}
    assert {each["stream"]["service_name"] for each in streams} == {"etter"}


def test_a_span_leads_to_its_routes_metrics(
    observed_under_load: Observed, span: StoredSpan, sources: dict[str, dict[str, Any]]
) -> None:
    """Tempo's queries for metrics, filled in from a span, are answered for its route alone."""
    link = sources["tempo"]["jsonData"]["tracesToMetrics"]
    assert sources[link["datasourceUid"]]["type"] == "prometheus"
    answers = {}
    for each in link["queries"]:
        query = each["query"].replace("$__tags", tags(span, link["tags"]))
        query = query.replace("$__rate_interval", "1h")
        assert "$" not in query
        answers[each["name"]] = ask(observed_under_load.stack.prometheus, query)
    assert len(answers) == 3
    for name, answer in answers.items():
        routes = [series["metric"][Label.ENDPOINT] for series in answer]
        assert routes == [span.attributes["http.route"]], name


def test_a_log_line_leads_to_its_trace(
    observed_under_load: Observed,
    boards: dict[str, BoardView],
    sources: dict[str, dict[str, Any]],
) -> None:
    """Loki's derived field finds in the lines that the dashboard shows the id of a kept trace."""
    [field] = sources["loki"]["jsonData"]["derivedFields"]
    assert sources[field["datasourceUid"]]["type"] == "tempo"
    assert field["matcherType"] == "label"
    assert field["url"] == "${__value.raw}"
    [query] = [
        each.expr
        for each in panel_queries(boards[Dashboard.LOGS_TRACES].raw)
        if each.panel == "Error lines"
    ]

    def both() -> list[str]:
        now = time.time()
        named = {
            value
            for each in loki(observed_under_load, query, now - 3600, now)
            for label, value in each["stream"].items()
            if re.fullmatch(field["matcherRegex"], label)
        }
        return [each for each in named if tempo.trace(observed_under_load.stack.tempo, each)]

    assert eventually(both, deadline_s=60, every_s=2)
