/** The alerts that Prometheus holds now; each leads to its dashboard, at its time, and its runbook. */
import { type Column, Empty, formatAgo, Table } from "../shared";
import { useLoaded } from "./loading";
import { local } from "./scope";
import { type Alert, promAlerts, type Settings } from "./sources";

const HOUR_MS = 3_600_000;
const ORDER = ["page", "ticket", "none"];

const COLUMNS: Column<Alert>[] = [
  {
    key: "alert",
    title: "Alert",
    value: (alert) => alert.labels.alertname ?? "",
    render: (alert) => <a href={dashboardOf(alert)}>{alert.labels.alertname}</a>,
  },
  { key: "slo", title: "SLO", value: (alert) => alert.labels.slo ?? alert.labels.job ?? "" },
  {
    key: "severity",
    title: "Severity",
    value: (alert) => ORDER.indexOf(alert.labels.severity ?? "none"),
    tone: (alert) =>
      alert.labels.severity === "page"
        ? "bad"
        : alert.labels.severity === "ticket"
          ? "warn"
          : "none",
    render: (alert) => alert.labels.severity ?? "–",
  },
  { key: "state", title: "State", value: (alert) => alert.state },
  {
    key: "since",
    title: "Since",
    value: (alert) => -Date.parse(alert.activeAt),
    render: (alert) => formatAgo(Date.parse(alert.activeAt)),
  },
  { key: "summary", title: "Summary", value: (alert) => alert.annotations.summary ?? "" },
  {
    key: "runbook",
    title: "Runbook",
    value: () => "",
    render: (alert) => <a href={runbookOf(alert)}>runbook</a>,
  },
];

export function AlertsPage({ tick, settings }: { tick: number; settings: Settings }) {
  const { value, error } = useLoaded(promAlerts, [tick]);
  if (error) return <Empty>{error}</Empty>;
  if (!value) return <Empty>…</Empty>;
  const shown = value.filter((alert) => settings.runbooks.includes(alert.labels.alertname ?? ""));
  return (
    <section class="panel" aria-label="Alerts">
      <h2>Alerts</h2>
      <Table
        label="Alerts"
        columns={COLUMNS}
        rows={shown}
        rowKey={(alert) => JSON.stringify(alert.labels)}
        initialSort={{ key: "severity", descending: false }}
        empty="no alert is pending or firing"
      />
    </section>
  );
}

/** The dashboard that the alert names, from an hour before it began. */
function dashboardOf({ annotations, activeAt }: Alert): string {
  const address = local(annotations.dashboard ?? "/d/");
  const from = Date.parse(activeAt) - HOUR_MS;
  return /[?&]from=/.test(address)
    ? address
    : `${address}${address.includes("?") ? "&" : "?"}from=${from}&to=now`;
}

/** The runbook's page, at the SLO's section: "alerts/runbooks/NAME.md#availability". */
function runbookOf({ annotations }: Alert): string {
  const found = /(\w+)\.md(?:#(.+))?$/.exec(annotations.runbook ?? "");
  return found ? local(`/public/runbooks/${found[1]}.md${found[2] ? `#${found[2]}` : ""}`) : "#/";
}
