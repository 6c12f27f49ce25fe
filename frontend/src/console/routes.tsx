/** The routes: rate, failures, latency. */
import { formatDuration, hrefTo, navigate, Panel, Table } from "../shared";
import type { Overview, RouteRow } from "./api";

export function RoutesPage({ overview, query }: { overview: Overview; query: URLSearchParams }) {
  const q = query.get("q") ?? "";
  const rows = overview.routes.filter((row) =>
    `${row.method} ${row.endpoint}`.toLowerCase().includes(q.toLowerCase()),
  );
  const share = (row: RouteRow) => (row.requests ? row.server_errors / row.requests : null);
  return (
    <Panel
      title="Routes"
      aside={<span class="faint">last {formatDuration(Math.round(overview.window))}</span>}
    >
      <div class="controls filters">
        <input
          type="search"
          aria-label="Filter routes"
          placeholder="Filter routes"
          value={q}
          onInput={(event) =>
            navigate("routes", { q: event.currentTarget.value }, { replace: true })
          }
        />
      </div>
      <Table
        label="Routes"
        rowKey={(row) => `${row.method} ${row.endpoint}`}
        rows={rows}
        initialSort={{ key: "rate", descending: true }}
        empty="no route matches"
        columns={[
          {
            key: "route",
            title: "route",
            value: (row) => `${row.endpoint} ${row.method}`,
            render: (row) => (
              <a class="mono" href={hrefTo("requests", { route: row.endpoint })}>
                {row.method} {row.endpoint}
              </a>
            ),
          },
          { key: "rate", title: "rate", unit: "reqps", value: (row) => row.rate },
          {
            key: "errors",
            title: "5xx",
            unit: "percentunit",
            value: share,
            tone: (row) => (row.server_errors ? "bad" : "none"),
          },
          {
            key: "client",
            title: "4xx",
            unit: "percentunit",
            value: (row) => (row.requests ? row.client_errors / row.requests : null),
          },
          { key: "p50", title: "p50", unit: "s", value: (row) => row.p50 },
          {
            key: "p95",
            title: "p95",
            unit: "s",
            value: (row) => row.p95,
            tone: (row) => ((row.p95 ?? 0) * 1000 > overview.slow_ms ? "warn" : "none"),
          },
          { key: "p99", title: "p99", unit: "s", value: (row) => row.p99 },
          { key: "total", title: "since start", unit: "none", value: (row) => row.total },
        ]}
      />
    </Panel>
  );
}
