"""A query and how its answer reads, for each of the three data sources."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from grafana_foundation_sdk.builders import loki, prometheus, tempo
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import loki as loki_models
from grafana_foundation_sdk.models import prometheus as prometheus_models
from grafana_foundation_sdk.models import tempo as tempo_models

from etter_obs._internal.dashboards.toolkit.panel_docs import Limit

Query: TypeAlias = prometheus.Dataquery | loki.Dataquery | tempo.Dataquery


class Source(StrEnum):
    """Types of data source; each is also the name of the variable that chooses one."""

    PROMETHEUS = "prometheus"
    LOKI = "loki"
    TEMPO = "tempo"

    @property
    def ref(self) -> common.DataSourceRef:
        """Refer to the data source by its variable, never by an installation's own id."""
        return common.DataSourceRef(type_val=self.value, uid=f"${{{self.value}}}")


def per(*labels: str) -> str:
    """Return a legend that reads each series by its labels' values, e.g. ``{{endpoint}}``."""
    return " ".join(f"{{{{{label}}}}}" for label in labels)


@dataclass(frozen=True, slots=True)
class Series:
    """One query over time.

    A legend with ``{{label}}`` splits into many series, which take their colour from their value;
    one without is a single series of ``color``, by default the next of the palette's sequence.
    """

    expr: str
    legend: str
    color: str | None = None
    exemplar: bool = False
    source: Source = Source.PROMETHEUS

    @property
    def splits(self) -> bool:
        """Whether the query gives one series for each value of a label."""
        return "{{" in self.legend

    def query(self, ref: str) -> Query:
        """Return the SDK's query; ``ref`` is its letter within the panel."""
        if self.source is Source.TEMPO:
            return traceql(self.expr, ref)
        if self.source is Source.LOKI:
            return (
                loki.Dataquery()
                .ref_id(ref)
                .datasource(self.source.ref)
                .expr(self.expr)
                .legend_format(self.legend)
                .query_type(loki_models.LokiQueryType.RANGE)
            )
        return self.over_time(ref)

    def over_time(self, ref: str) -> prometheus.Dataquery:
        """Return the query as the SDK's for Prometheus."""
        return self._asked(ref).range().exemplar(self.exemplar)

    def instant(self, ref: str) -> prometheus.Dataquery:
        """Return the query asked once, for the end of the time range."""
        return self._asked(ref).instant()

    def _asked(self, ref: str) -> prometheus.Dataquery:
        return (
            prometheus.Dataquery()
            .ref_id(ref)
            .datasource(Source.PROMETHEUS.ref)
            .expr(self.expr)
            .legend_format(self.legend)
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One instant query of a table, joined to the others by the table's key label."""

    title: str
    expr: str
    unit: str
    limit: Limit | None = None
    decimals: int | None = None

    def query(self, ref: str) -> prometheus.Dataquery:
        """Return the SDK's query, asked once, for the end of the time range."""
        query = Series(self.expr, self.title).instant(ref)
        return query.format(prometheus_models.PromQueryFormat.TABLE)


def traceql(expr: str, ref: str) -> tempo.Dataquery:
    """Search traces; the newest twenty."""
    return (
        tempo.Dataquery()
        .ref_id(ref)
        .datasource(Source.TEMPO.ref)
        .query(expr)
        .query_type(tempo_models.TempoQueryType.TRACEQL)
        .table_type(tempo_models.SearchTableType.TRACES)
        .limit(20)
    )


def log_lines(expr: str, ref: str, limit: int = 100) -> loki.Dataquery:
    """Fetch log lines, the newest first.

    Args:
        expr: LogQL.
        ref: id of the query within the panel.
        limit: number of lines.
    """
    return (
        loki.Dataquery()
        .ref_id(ref)
        .datasource(Source.LOKI.ref)
        .expr(expr)
        .query_type(loki_models.LokiQueryType.RANGE)
        .max_lines(limit)
    )
