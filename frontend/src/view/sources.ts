/** Asks Prometheus, Loki and the trace store, through the paths that the server lets pass. */

export interface Sample {
  labels: Record<string, string>;
  /** Seconds since 1970, and the value; one pair for an instant query. */
  points: [number, number][];
}

interface Answer {
  data: {
    result: {
      metric?: Record<string, string>;
      stream?: Record<string, string>;
      value?: [number, string];
      values?: [number | string, string][];
    }[];
  };
}

export interface Settings {
  /** The kind of each source that there is. */
  sources: Partial<Record<"prometheus" | "loki" | "tempo", string>>;
  /** The shipped links between the sources. */
  links: {
    exemplarLabel: string;
    logs: { query: string; tags: Tag[]; shift: number };
    metrics: { queries: { name: string; query: string }[]; tags: Tag[]; shift: number };
  };
  boards: { uid: string; title: string }[];
  runbooks: string[];
}

export interface Tag {
  key: string;
  value: string;
}

export class SourceError extends Error {}

/** GET JSON of this page's own server. */
export async function get<T>(
  path: string,
  query: Record<string, string | number> = {},
): Promise<T> {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, String(value)]),
  ).toString();
  return answered<T>(fetch(search ? `${path}?${search}` : path));
}

/** What is asked of Prometheus may be long: POST. */
async function post<T>(path: string, query: Record<string, string | number>): Promise<T> {
  const body = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, String(value)]),
  );
  return answered<T>(fetch(path, { method: "POST", body }));
}

let pending = 0;
const CALM_MS = 300; // one answer often leads to the next question

/** Wait for an answer; the page is busy, for whoever cannot see it, while one is missing. */
async function answered<T>(asked: Promise<Response>): Promise<T> {
  pending += 1;
  document.body.ariaBusy = "true";
  try {
    const response = await asked;
    if (!response.ok) throw new SourceError(await reason(response));
    return await response.json();
  } finally {
    pending -= 1;
    setTimeout(() => {
      document.body.ariaBusy = String(pending > 0);
    }, CALM_MS);
  }
}

async function reason(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text.trim() || `HTTP ${response.status}`;
  }
}

const PROMETHEUS = "api/prometheus/api/v1";
const LOKI = "api/loki/loki/api/v1";

export async function promRange(
  query: string,
  start: number,
  end: number,
  step: number,
): Promise<Sample[]> {
  // Aligned, so that a refresh asks for the same points and not for points a little later.
  const aligned = (at: number) => Math.floor(at / step) * step;
  const bounds = { start: aligned(start), end: aligned(end), step };
  return samples(await post<Answer>(`${PROMETHEUS}/query_range`, { query, ...bounds }));
}

export async function promInstant(query: string, time: number): Promise<Sample[]> {
  return samples(await post<Answer>(`${PROMETHEUS}/query`, { query, time }));
}

export async function promLabelValues(
  series: string,
  label: string,
  start: number,
  end: number,
): Promise<string[]> {
  const path = `${PROMETHEUS}/label/${encodeURIComponent(label)}/values`;
  return (await get<{ data: string[] }>(path, { "match[]": series, start, end })).data;
}

export interface RawExemplar {
  labels: Record<string, string>;
  value: string;
  timestamp: number;
}

export async function promExemplars(
  query: string,
  start: number,
  end: number,
): Promise<{ seriesLabels: Record<string, string>; exemplars: RawExemplar[] }[]> {
  const path = `${PROMETHEUS}/query_exemplars`;
  return (await post<{ data: never }>(path, { query, start, end })).data;
}

export interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: string;
  activeAt: string;
}

export async function promAlerts(): Promise<Alert[]> {
  return (await get<{ data: { alerts: Alert[] } }>(`${PROMETHEUS}/alerts`)).data.alerts;
}

export async function lokiRange(
  query: string,
  start: number,
  end: number,
  step: number,
): Promise<Sample[]> {
  const bounds = { start: nanos(start), end: nanos(end), step };
  return samples(await get<Answer>(`${LOKI}/query_range`, { query, ...bounds }));
}

export interface LokiLine {
  /** Milliseconds since 1970. */
  at: number;
  labels: Record<string, string>;
  text: string;
}

export async function lokiLines(
  query: string,
  start: number,
  end: number,
  limit: number,
): Promise<LokiLine[]> {
  const bounds = { start: nanos(start), end: nanos(end), limit, direction: "backward" };
  const answer = await get<Answer>(`${LOKI}/query_range`, { query, ...bounds });
  return answer.data.result
    .flatMap(({ stream = {}, values = [] }) =>
      values.map(([at, text]) => ({ at: Number(at) / 1e6, labels: stream, text })),
    )
    .sort((a, b) => b.at - a.at)
    .slice(0, limit);
}

export interface FoundTrace {
  traceID: string;
  rootServiceName?: string;
  rootTraceName?: string;
  startTimeUnixNano: string;
  durationMs?: number;
}

export async function searchTraces(
  q: string,
  start: number,
  end: number,
  limit: number,
): Promise<FoundTrace[]> {
  const bounds = { start: Math.floor(start), end: Math.ceil(end), limit };
  return (
    (await get<{ traces?: FoundTrace[] }>("api/tempo/api/search", { q, ...bounds })).traces ?? []
  );
}

const nanos = (seconds: number): string => `${Math.round(seconds * 1000)}000000`;

function samples(answer: Answer): Sample[] {
  return answer.data.result.map(({ metric, value, values }) => ({
    labels: metric ?? {},
    points: (value ? [value] : (values ?? [])).map(([at, text]) => [Number(at), Number(text)]),
  }));
}
