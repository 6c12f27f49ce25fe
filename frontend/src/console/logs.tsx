/** The last log lines. */
import { formatNumber, hrefTo, type LogLine, LogList, navigate, Panel } from "../shared";
import { type LineFields, type LineRow, useRows, visible } from "./api";

const SHOWN = 500;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const HIDDEN = new Set(["timestamp", "level", "message"]);

const writtenAt = (row: LineRow) => row.at;

export function logLine(key: string, at: number, line: LineFields): LogLine {
  const fields = Object.fromEntries(
    Object.entries(line).filter(([name, value]) => value !== null && !HIDDEN.has(name)),
  );
  const message = visible(`${request(line)}${line.message}`);
  return { key, at, level: line.level, message, fields };
}

/** What an access line is about, as the dashboards write it. */
function request({ method, path, status_code, duration_ms }: LineFields): string {
  return status_code ? `${method} ${path} ${status_code} in ${duration_ms} ms: ` : "";
}

export function LogsPage({ query, paused }: { query: URLSearchParams; paused: boolean }) {
  const { rows, seen, error } = useRows<LineRow>("logs", writtenAt, paused);
  const q = query.get("q") ?? "";
  const level = query.get("level") ?? "";
  const set = (name: string, value: string) =>
    navigate("logs", { q, level, [name]: value }, { replace: true });
  const least = LEVELS.indexOf(level);
  const wanted = q.toLowerCase();
  const found = rows.filter(
    ({ line }) =>
      LEVELS.indexOf(line.level) >= least &&
      (!wanted || JSON.stringify(line).toLowerCase().includes(wanted)),
  );
  return (
    <Panel
      title="Log lines"
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
          aria-label="Filter by text in any field"
          placeholder="Text in any field"
          value={q}
          onInput={(event) => set("q", event.currentTarget.value)}
        />
        <select
          aria-label="Lowest level"
          value={level}
          onChange={(event) => set("level", event.currentTarget.value)}
        >
          <option value="">any level</option>
          {LEVELS.slice(1).map((one) => (
            <option key={one} value={one}>
              {one === "CRITICAL" ? one : `${one} and above`}
            </option>
          ))}
        </select>
        {error && <span class="bad">✕ {error}</span>}
      </div>
      <LogList
        label="Log lines, newest first"
        lines={found.slice(0, SHOWN).map((row) => logLine(row.key, row.at * 1000, row.line))}
        empty={rows.length ? "no line matches" : "no line yet"}
        linkOf={(field, value) =>
          field === "request_id" || field === "trace_id"
            ? hrefTo("requests", { q: value })
            : undefined
        }
      />
    </Panel>
  );
}
