/** One request: what it called, what it logged, how it failed. */
import { useEffect, useState } from "preact/hooks";
import {
  Empty,
  Fields,
  formatBytes,
  formatDuration,
  formatTime,
  hrefTo,
  LogList,
  Panel,
  type Span,
  Waterfall,
} from "../shared";
import { ask, Failure, visible, type WholeRequest } from "./api";
import { logLine } from "./logs";

const AGAIN_MS = 700;

export function RequestPage({ requestKey }: { requestKey: string }) {
  const [request, setRequest] = useState<WholeRequest | null>(null);
  const [gone, setGone] = useState("");
  useEffect(() => {
    const load = () =>
      ask<WholeRequest>(`request?key=${encodeURIComponent(requestKey)}`).then(
        setRequest,
        (failure: unknown) =>
          setGone(
            failure instanceof Failure && failure.status === 404
              ? "This request is no longer in memory."
              : String(failure),
          ),
      );
    void load();
    const again = setTimeout(load, AGAIN_MS); // its lines are written a moment after its end
    return () => clearTimeout(again);
  }, [requestKey]);
  if (!request) return <Empty>{gone || "asking the app…"}</Empty>;
  const failed = request.status >= 500;
  return (
    <>
      <h2 class="section">
        <a href={hrefTo("requests")}>Requests</a> /{" "}
        <span class="mono">{visible(`${request.method} ${request.path}`)}</span>{" "}
        <span class={failed ? "bad" : request.status >= 400 ? "warn" : "good"}>
          {request.status}
        </span>{" "}
        <span class="faint">{formatDuration(request.ms / 1000)}</span>
      </h2>
      {request.repeated && (
        <Panel title={`N+1: one statement ran ${request.repeated.runs} times`}>
          <pre>{request.repeated.statement}</pre>
          <p class="warn">Load the rows with one query: a join, or IN over their keys.</p>
        </Panel>
      )}
      <div class="charts wide">
        <Panel
          title="Waterfall"
          aside={
            request.dropped_calls > 0 && (
              <span class="warn">{request.dropped_calls} more calls are not kept</span>
            )
          }
        >
          <Waterfall label="Waterfall of the request" spans={spansOf(request)} />
        </Panel>
        <Panel title="Request">
          <Fields
            fields={Object.fromEntries(
              Object.entries(factsOf(request)).filter(
                ([, value]) => value !== null && value !== "",
              ),
            )}
            linkOf={(name, value) =>
              name === "route"
                ? hrefTo("requests", { route: value })
                : name === "request id"
                  ? hrefTo("logs", { q: value })
                  : undefined
            }
          />
        </Panel>
      </div>
      {request.exceptions.map((exception) => (
        <Panel key={exception.at} title={`Exception: ${exception.type}`}>
          {exception.traceback ? (
            <Traceback text={exception.traceback} />
          ) : (
            <Empty>Too many exceptions in this second; only the type is kept.</Empty>
          )}
        </Panel>
      ))}
      <Panel title="Log lines">
        <LogList
          label="Log lines of the request"
          lines={request.lines.map((line, index) =>
            logLine(String(index), Date.parse(String(line.timestamp)), line),
          )}
          empty="no line in memory"
        />
      </Panel>
    </>
  );
}

const KINDS = { sql: "sql", redis: "redis", http: "client" } as const;

function spansOf(request: WholeRequest): Span[] {
  const root: Span = {
    id: "request",
    parent: null,
    name: `${request.method} ${request.endpoint}`,
    kind: "server",
    start: 0,
    duration: request.ms / 1000,
    error: request.status >= 500,
    attributes: {
      status: request.status,
      "first byte": formatDuration(request.first_byte_ms / 1000),
    },
  };
  return [
    root,
    ...request.calls.map((call, index): Span => {
      const more = call.outcome ? { outcome: call.outcome } : {};
      return {
        id: String(index),
        parent: "request",
        name: call.name,
        kind: KINDS[call.kind],
        start: call.start_ms / 1000,
        duration: call.ms / 1000,
        error: call.failed,
        attributes: { kind: call.kind, name: call.name, ...more },
      };
    }),
  ];
}

function factsOf(request: WholeRequest): Record<string, unknown> {
  return {
    route: request.endpoint,
    at: formatTime(request.at * 1000),
    took: formatDuration(request.ms / 1000),
    "first byte after": formatDuration(request.first_byte_ms / 1000),
    received: formatBytes(request.bytes_in),
    sent: formatBytes(request.bytes_out),
    client: request.client,
    "database statements": request.queries,
    "request id": request.request_id,
    "trace id": request.trace_id,
    worker: request.key.split(".")[0],
  };
}

/** A traceback whose frames of installed packages are folded: the app's own are what is looked for. */
function Traceback({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const lines = text.split("\n");
  const shown = all ? lines : folded(lines);
  return (
    <>
      {folded(lines).length < lines.length && (
        <button type="button" aria-pressed={all} onClick={() => setAll(!all)}>
          {all ? "Hide frames of packages" : "Show all frames"}
        </button>
      )}
      <pre class="traceback">{visible(shown.join("\n"))}</pre>
    </>
  );
}

function folded(lines: string[]): string[] {
  const kept: string[] = [];
  let hidden = 0;
  let inPackage = false;
  for (const line of lines) {
    if (/^ {2}File "/.test(line)) {
      inPackage = /[/\\](site-packages|lib[/\\]python[\d.]+|etter_obs[/\\]_internal)[/\\]/.test(
        line,
      );
      if (inPackage) hidden += 1;
    } else if (!/^ {2,}/.test(line)) inPackage = false;
    if (inPackage) continue;
    if (hidden) kept.push(`  … ${hidden} frames of packages`);
    hidden = 0;
    kept.push(line);
  }
  if (hidden) kept.push(`  … ${hidden} frames of packages`);
  return kept;
}
