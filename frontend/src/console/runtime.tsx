/** The run time: event loop, pools, caches, process, the telemetry itself. */
import { formatValue, navigate, Panel, Table, TimeSeries } from "../shared";
import type { MetricRow, Overview } from "./api";

const CHARTS = [
  { name: "lag", title: "Event loop lag, p99", unit: "s" },
  { name: "cpu", title: "CPU cores in use", unit: "none" },
  { name: "memory", title: "Resident memory", unit: "bytes" },
  { name: "pool", title: "Database pool in use", unit: "percentunit" },
  { name: "hit_ratio", title: "Cache hits", unit: "percentunit" },
  { name: "in_flight", title: "Requests in flight", unit: "none" },
];

const UNITS: [RegExp, string][] = [
  [/_bytes$/, "bytes"],
  [/_ratio$/, "percentunit"],
  [/_seconds$/, "s"],
];

const unitOf = (row: MetricRow): string =>
  UNITS.find(([ending]) => ending.test(row.name.replace(/_total$/, "")))?.[1] ?? "none";

export function RuntimePage({ overview, query }: { overview: Overview; query: URLSearchParams }) {
  const { at, values } = overview.history;
  const q = (query.get("q") ?? "").toLowerCase();
  const matches = (row: MetricRow) =>
    `${row.name} ${row.help} ${JSON.stringify(row.labels)}`.toLowerCase().includes(q);
  return (
    <>
      <div class="charts three">
        {CHARTS.map((chart) => (
          <Panel key={chart.name} title={chart.title}>
            <TimeSeries
              label={chart.title}
              times={at}
              unit={chart.unit}
              min={0}
              height={120}
              group="runtime"
              series={[{ name: chart.title, values: values[chart.name] ?? [], fill: 0.1 }]}
            />
          </Panel>
        ))}
      </div>
      <div class="controls filters">
        <input
          type="search"
          aria-label="Filter metrics"
          placeholder="Filter metrics"
          value={query.get("q") ?? ""}
          onInput={(event) =>
            navigate("runtime", { q: event.currentTarget.value }, { replace: true })
          }
        />
      </div>
      {overview.runtime.map((group) => (
        <Panel key={group.title} title={group.title}>
          <Table
            label={group.title}
            rowKey={(row) => `${row.name}${JSON.stringify(row.labels)}`}
            rows={group.rows.filter(matches)}
            empty="no metric matches"
            columns={[
              {
                key: "name",
                title: "metric",
                value: (row) => row.name,
                render: (row) => (
                  <span class="mono" title={row.help}>
                    {row.name}
                  </span>
                ),
              },
              {
                key: "labels",
                title: "labels",
                value: (row) =>
                  Object.entries(row.labels)
                    .map(([name, value]) => `${name}=${value}`)
                    .join(" "),
              },
              {
                key: "value",
                title: "value",
                unit: "mixed",
                value: (row) => row.value,
                render: (row) => (
                  <Value row={row} of={row.value} counts={row.kind === "histogram"} />
                ),
              },
              {
                key: "mean",
                title: "mean",
                unit: "mixed",
                value: (row) => row.mean ?? null,
                render: (row) => <Value row={row} of={row.mean ?? null} />,
              },
              {
                key: "p99",
                title: "p99",
                unit: "mixed",
                value: (row) => row.p99 ?? null,
                render: (row) => <Value row={row} of={row.p99 ?? null} />,
              },
              {
                key: "help",
                title: "meaning",
                value: (row) => row.help,
                render: (row) => <span class="wrap">{row.help}</span>,
              },
            ]}
          />
        </Panel>
      ))}
    </>
  );
}

function Value({
  row,
  of,
  counts = false,
}: {
  row: MetricRow;
  of: number | null;
  counts?: boolean;
}) {
  return <>{of === null ? "" : formatValue(of, counts ? "none" : unitOf(row))}</>;
}
