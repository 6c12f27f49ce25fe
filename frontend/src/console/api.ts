/** What the app answers, and hooks that ask again and again while the page is in view. */
import { useEffect, useRef, useState } from "preact/hooks";

export interface Slo {
  name: string;
  description: string;
  objective: number;
  kind: string;
  unit: "events" | "slices";
  current: number | null;
  /** Whether the app can count its events by itself. */
  counted: boolean;
  alerting: string;
  /** The burn rate above which the fastest alert pages. */
  page_at: number;
  total?: number;
  bad?: number;
  /** 1 is untouched, 0 is spent; below 0, more was spent than there is. Null without events. */
  budget_left?: number | null;
  burn?: Record<string, number | null>;
  eaten_by?: { part: string; bad: number }[];
}

export interface RouteRow {
  method: string;
  endpoint: string;
  rate: number;
  requests: number;
  client_errors: number;
  server_errors: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  total: number;
  total_server_errors: number;
}

export interface MetricRow {
  name: string;
  help: string;
  kind: string;
  labels: Record<string, string>;
  value: number;
  mean?: number;
  p99?: number;
}

export interface Columns {
  at: number[];
  values: Record<string, (number | null)[]>;
  slos: Record<string, (number | null)[]>;
}

export interface Overview {
  service: string;
  environment: string;
  version: string | null;
  slow_ms: number;
  since: number;
  now: number;
  window: number;
  slos: Slo[];
  routes: RouteRow[];
  runtime: { title: string; rows: MetricRow[] }[];
  history: Columns;
  workers: { pid: number; answers: boolean }[];
}

export interface RequestRow {
  key: string;
  request_id: string;
  trace_id: string;
  method: string;
  path: string;
  endpoint: string;
  status: number;
  at: number;
  ended: number;
  ms: number;
  first_byte_ms: number;
  bytes_in: number;
  bytes_out: number;
  client: string | null;
  queries: number;
  error: string | null;
  repeated: { statement: string; runs: number } | null;
  calls: number;
  dropped_calls: number;
}

export interface Call {
  kind: "sql" | "redis" | "http";
  name: string;
  start_ms: number;
  ms: number;
  outcome: string;
  failed: boolean;
}

export type LineFields = Record<string, unknown> & { level: string; message: string };

export interface WholeRequest extends Omit<RequestRow, "calls"> {
  calls: Call[];
  exceptions: { at: number; type: string; traceback: string | null }[];
  lines: LineFields[];
}

export interface LineRow {
  key: string;
  at: number;
  line: LineFields;
}

export interface Check {
  name: string;
  critical: boolean;
  healthy: boolean;
  reason: string;
  ms: number;
  at: number;
  healthy_everywhere: boolean;
}

export interface Health {
  status: string;
  reason: string;
  checks: Check[];
}

/** Return text in which nothing is invisible or changes the direction of what follows. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// Control characters except line breaks and tabs, and marks of direction and line separation.
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const EVERY_MS = 2000;
const MOST_ROWS = 3000;
const OVERLAP_S = 2;
const KEPT_S = 3600;

export class Failure extends Error {
  constructor(readonly status: number) {
    super(status === 0 ? "the app does not answer" : `the app answers ${status}`);
  }
}

export async function ask<T>(path: string): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`api/${path}`, { signal: AbortSignal.timeout(10_000) });
  } catch {
    throw new Failure(0);
  }
  if (!answer.ok) throw new Failure(answer.status);
  return (await answer.json()) as T;
}

/** Run `step` now and every two seconds while the page is visible and not paused. */
export function usePoll(step: () => Promise<void>, paused: boolean, again: unknown[] = []): string {
  const [error, setError] = useState("");
  const running = useRef(false);
  useEffect(() => {
    let over = false;
    const tick = async () => {
      if (running.current || document.visibilityState === "hidden") return;
      running.current = true;
      try {
        await step();
        if (!over) setError("");
      } catch (failure) {
        if (!over) setError(failure instanceof Failure ? failure.message : String(failure));
      } finally {
        running.current = false;
      }
    };
    void tick();
    if (paused) return;
    const timer = setInterval(tick, EVERY_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [paused, ...again]);
  return error;
}

/** The state of the service, with the last hour gathered from answers that hold only news. */
export function useOverview(paused: boolean): { overview: Overview | null; error: string } {
  const [overview, setOverview] = useState<Overview | null>(null);
  const held = useRef<Overview | null>(null);
  const error = usePoll(async () => {
    const last = held.current?.history.at.at(-1) ?? 0;
    const news = await ask<Overview>(`overview?after=${last}`);
    const same = held.current?.since === news.since;
    const history =
      same && held.current ? joined(held.current.history, news.history) : news.history;
    held.current = { ...news, history };
    setOverview(held.current);
  }, paused);
  return { overview, error };
}

function joined(old: Columns, news: Columns): Columns {
  if (!news.at.length) return old;
  const first = old.at.findIndex((at) => at >= (news.at.at(-1) ?? 0) - KEPT_S);
  const from = first < 0 ? old.at.length : first;
  const join = (
    before: Record<string, (number | null)[]>,
    after: Record<string, (number | null)[]>,
  ) =>
    Object.fromEntries(
      [...new Set([...Object.keys(before), ...Object.keys(after)])].map((name) => [
        name,
        [
          ...(before[name] ?? old.at.map(() => null)).slice(from),
          ...(after[name] ?? news.at.map(() => null)),
        ],
      ]),
    );
  return {
    at: [...old.at.slice(from), ...news.at],
    values: join(old.values, news.values),
    slos: join(old.slos, news.slos),
  };
}

/** The newest rows of a list that grows, the newest first. */
export function useRows<Row extends { key: string }>(
  list: "requests" | "logs",
  timeOf: (row: Row) => number,
  paused: boolean,
): { rows: Row[]; seen: number; error: string } {
  const [rows, setRows] = useState<Row[]>([]);
  const [seen, setSeen] = useState(0);
  const held = useRef(new Map<string, Row>());
  const newest = useRef(0);
  const error = usePoll(async () => {
    const after = Math.max(0, newest.current - OVERLAP_S);
    const news = await ask<{ rows: Row[]; seen: number }>(`${list}?after=${after}`);
    setSeen(news.seen);
    const fresh = news.rows.filter((row) => !held.current.has(row.key));
    if (!fresh.length) return;
    for (const row of fresh) {
      held.current.set(row.key, row);
      newest.current = Math.max(newest.current, timeOf(row));
    }
    const sorted = [...held.current.values()].sort((a, b) => timeOf(b) - timeOf(a));
    const kept = sorted.slice(0, MOST_ROWS);
    if (kept.length < sorted.length) held.current = new Map(kept.map((row) => [row.key, row]));
    setRows(kept);
  }, paused);
  return { rows, seen, error };
}
