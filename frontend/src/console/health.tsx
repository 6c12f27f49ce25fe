/** The health checks. */
import { useState } from "preact/hooks";
import { Empty, formatAgo, Panel, Stat, Table } from "../shared";
import { ask, type Health, usePoll } from "./api";

export function HealthPage({ paused }: { paused: boolean }) {
  const [health, setHealth] = useState<Health | null>(null);
  const error = usePoll(async () => setHealth(await ask<Health>("health")), paused);
  if (!health) return <Empty>{error || "asking the app…"}</Empty>;
  const failing = health.checks.filter((check) => !check.healthy).length;
  const tone = health.status === "healthy" ? "good" : health.status === "degraded" ? "warn" : "bad";
  return (
    <>
      <div class="stats">
        <Stat title="Checks that fail" value={failing} tone={tone} note={health.status} />
        <Stat title="Checks" value={health.checks.length} />
      </div>
      <Panel title="Checks" aside={error && <span class="bad">✕ {error}</span>}>
        <Table
          label="Health checks"
          rowKey={(row) => row.name}
          rows={health.checks}
          initialSort={{ key: "healthy", descending: false }}
          empty="no check is registered"
          columns={[
            { key: "name", title: "check", value: (row) => row.name },
            {
              key: "healthy",
              title: "state",
              value: (row) => (row.healthy ? 1 : 0),
              tone: (row) => (row.healthy ? "good" : row.critical ? "bad" : "warn"),
              render: (row) => (row.healthy ? "healthy" : `fails: ${row.reason}`),
            },
            {
              key: "everywhere",
              title: "in all workers",
              value: (row) => (row.healthy_everywhere ? "healthy" : "fails in one"),
            },
            {
              key: "critical",
              title: "a failure makes the app",
              value: (row) => (row.critical ? "not ready" : "degraded"),
            },
            { key: "ms", title: "took", unit: "ms", value: (row) => row.ms },
            {
              key: "at",
              title: "ran",
              value: (row) => row.at,
              render: (row) => formatAgo(row.at * 1000),
            },
          ]}
        />
      </Panel>
    </>
  );
}
