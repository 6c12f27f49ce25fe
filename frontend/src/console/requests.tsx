/** The last requests, to filter. */
import { useMemo } from "preact/hooks";
import { formatNumber, formatTime, hrefTo, navigate, Panel, Table } from "../shared";
import { type Overview, type RequestRow, useRows, visible } from "./api";

const SHOWN = 200;
const STATUSES = ["", "2xx", "3xx", "4xx", "5xx", "errors"];
const ONLY: Record<string, string> = {
  "": "all requests",
  failed: "failed",
  slow: "slow",
  repeated: "N+1",
  sql: "with SQL",
};

const endedAt = (row: RequestRow) => row.ended;

export function RequestsPage({
  overview,
  query,
  paused,
}: {
  overview: Overview;
  query: URLSearchParams;
  paused: boolean;
}) {
  const { rows, seen, error } = useRows<RequestRow>("requests", endedAt, paused);
  const filter = Object.fromEntries(
    ["q", "status", "only", "route"].map((name) => [name, query.get(name) ?? ""]),
  ) as Record<"q" | "status" | "only" | "route", string>;
  const set = (name: string, value: string) =>
    navigate("requests", { ...filter, [name]: value }, { replace: true });
  const found = useMemo(
    () => rows.filter((row) => matches(row, filter, overview.slow_ms)),
    [rows, overview.slow_ms, ...Object.values(filter)],
  );
  const routes = [...new Set([...overview.routes.map((row) => row.endpoint), filter.route])];
  return (
    <Panel
      title="Requests"
      aside={
        <span class="faint">
          {formatNumber(found.length)} of the last {formatNumber(rows.length)}; {formatNumber(seen)}{" "}
          since the start
        </span>
      }
    >
      <div class="controls filters">
        <input
          type="search"
          aria-label="Filter by path, request id, client or error"
          placeholder="Path, request id, client, error"
          value={filter.q}
          onInput={(event) => set("q", event.currentTarget.value)}
        />
        <select
          aria-label="Status"
          value={filter.status}
          onChange={(event) => set("status", event.currentTarget.value)}
        >
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {status || "any status"}
            </option>
          ))}
        </select>
        <select
          aria-label="Kind"
          value={filter.only}
          onChange={(event) => set("only", event.currentTarget.value)}
        >
          {Object.entries(ONLY).map(([only, text]) => (
            <option key={only} value={only}>
              {text}
            </option>
          ))}
        </select>
        <select
          aria-label="Route"
          value={filter.route}
          onChange={(event) => set("route", event.currentTarget.value)}
        >
          <option value="">any route</option>
          {routes
            .filter(Boolean)
            .sort()
            .map((route) => (
              <option key={route} value={route}>
                {route}
              </option>
            ))}
        </select>
        {error && <span class="bad">✕ {error}</span>}
      </div>
      <Table
        label="Requests"
        rowKey={(row) => row.key}
        rows={found.slice(0, SHOWN)}
        onOpen={(row) => navigate(`requests/${row.key}`)}
        empty={rows.length ? "no request matches" : "no request yet"}
        columns={[
          {
            key: "ended",
            title: "ended",
            value: (row) => row.ended,
            render: (row) => (
              <a href={hrefTo(`requests/${row.key}`)}>{formatTime(row.ended * 1000)}</a>
            ),
          },
          {
            key: "status",
            title: "status",
            unit: "none",
            decimals: 0,
            value: (row) => row.status,
            tone: (row) => (row.status >= 500 ? "bad" : row.status >= 400 ? "warn" : "none"),
          },
          {
            key: "ms",
            title: "took",
            unit: "ms",
            value: (row) => row.ms,
            tone: (row) => (row.ms > overview.slow_ms ? "warn" : "none"),
          },
          {
            key: "path",
            title: "request",
            value: (row) => row.path,
            render: (row) => <span class="mono clip">{visible(`${row.method} ${row.path}`)}</span>,
          },
          { key: "calls", title: "calls", unit: "none", value: (row) => row.calls },
          { key: "sql", title: "SQL", unit: "none", value: (row) => row.queries },
          {
            key: "finding",
            title: "finding",
            value: (row) => finding(row),
            render: (row) => <span class={row.error ? "bad" : "warn"}>{finding(row)}</span>,
          },
          { key: "client", title: "client", value: (row) => row.client },
        ]}
      />
    </Panel>
  );
}

function finding(row: RequestRow): string | null {
  const found = [row.error ?? "", row.repeated ? `N+1 (${row.repeated.runs}×)` : ""];
  return found.filter(Boolean).join(", ") || null;
}

function matches(
  row: RequestRow,
  { q, status, only, route }: Record<"q" | "status" | "only" | "route", string>,
  slow: number,
): boolean {
  if (route && row.endpoint !== route) return false;
  if (status === "errors" ? row.status < 400 : status && String(row.status)[0] !== status[0])
    return false;
  if (only === "failed" && row.status < 500) return false;
  if (only === "slow" && row.ms <= slow) return false;
  if (only === "repeated" && !row.repeated) return false;
  if (only === "sql" && !row.queries) return false;
  const text = `${row.method} ${row.path} ${row.request_id} ${row.trace_id} ${row.client} ${row.error}`;
  return text.toLowerCase().includes(q.toLowerCase());
}
