/** One trace: its spans, its log lines, and the metrics of its route, by the shipped links. */
import { useMemo } from "preact/hooks";
import {
  Empty,
  formatDuration,
  formatTime,
  LogList,
  Panel,
  type Span,
  TimeSeries,
  Waterfall,
} from "../shared";
import { useLoaded } from "./loading";
import { shown, traceHref } from "./panels/logs";
import { onOneTimeLine } from "./panels/question";
import { named } from "./scope";
import { get, lokiLines, promRange, type Settings, SourceError, type Tag } from "./sources";

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

interface OtlpSpan {
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind?: string | number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: Attribute[];
  events?: { name: string; attributes?: Attribute[] }[];
  status?: { code?: string | number; message?: string };
}

interface OtlpTrace {
  resourceSpans?: {
    resource?: { attributes?: Attribute[] };
    scopeSpans?: { spans?: OtlpSpan[] }[];
  }[];
}

const MOST_LINES = 200;
const STEP = 15;

export function TracePage({ id, settings }: { id: string; settings: Settings }) {
  const trace = useLoaded(async () => {
    const path = `api/tempo/api/v2/traces/${encodeURIComponent(id)}`;
    const { trace: found } = await get<{ trace?: OtlpTrace }>(path);
    return spansOf(found ?? {});
  }, [id]);
  const spans = trace.value ?? [];
  const server = spans.find((span) => span.kind === "server") ?? spans[0];
  if (!settings.sources.tempo) return <Empty>no trace store; name one with --traces</Empty>;
  if (trace.error) return <Empty>{trace.error}</Empty>;
  if (!trace.value) return <Empty>…</Empty>;
  if (!server) return <Empty>The trace store has no trace {id}.</Empty>;
  const end = Math.max(...spans.map((span) => span.start + span.duration));
  return (
    <div class="stack">
      <h2 class="trace-title">
        {server.name} <span class="faint">{server.service}</span>
      </h2>
      <p class="faint">
        {formatTime(server.start * 1000)}, {formatDuration(end - server.start)},{" "}
        {spans.length === 1 ? "1 span" : `${spans.length} spans`}, <span class="mono">{id}</span>
      </p>
      <Panel title="Spans">
        <Waterfall label="Spans of the trace" spans={spans} />
      </Panel>
      <Panel title="Log lines of this trace">
        <Lines id={id} server={server} end={end} settings={settings} />
      </Panel>
      <div class="board-grid">
        {settings.links.metrics.queries.map((one) => (
          <Metric key={one.name} {...one} server={server} settings={settings} />
        ))}
      </div>
    </div>
  );
}

function Lines(props: { id: string; server: Span; end: number; settings: Settings }) {
  const { id, server, end, settings } = props;
  const { query, tags, shift } = settings.links.logs;
  const { value, error } = useLoaded(() => {
    if (!settings.sources.loki) throw new SourceError("no Loki; name one with --loki");
    const filled = query
      .replace("${__tags}", matchers(server, tags))
      .replace("${__trace.traceId}", id);
    return lokiLines(filled, server.start - shift, end + shift, MOST_LINES);
  }, [id, server]);
  if (error) return <Empty>{error}</Empty>;
  if (!value) return <Empty>…</Empty>;
  return (
    <LogList
      label="Log lines of this trace"
      lines={value.map(shown)}
      empty="no lines of this trace"
      linkOf={(field, text, line) =>
        field === settings.links.exemplarLabel && text !== id ? traceHref(text, line.at) : undefined
      }
    />
  );
}

interface MetricProps {
  name: string;
  query: string;
  server: Span;
  settings: Settings;
}

function Metric({ name, query, server, settings }: MetricProps) {
  const { tags, shift } = settings.links.metrics;
  const scope = useMemo(
    () => ({ from: server.start - shift, to: Math.min(Date.now() / 1000, server.start + shift) }),
    [server],
  );
  const { value, error } = useLoaded(() => {
    const filled = query
      .replace("$__tags", matchers(server, tags))
      .replace("$__rate_interval", "1m");
    return promRange(filled, scope.from, scope.to, STEP);
  }, [scope]);
  const drawn = useMemo(() => {
    const whole = { ...scope, variables: [], values: {}, range: { from: "", to: "" } };
    return onOneTimeLine(value ?? [], whole, STEP);
  }, [value]);
  const marks = useMemo(
    () => [{ at: server.start, color: "#666666", text: "this trace" }],
    [server],
  );
  const unit = name.includes("per second") ? "cps" : "s";
  return (
    <section class="panel third" aria-label={name}>
      <h3>{name}</h3>
      {error ? (
        <Empty>{error}</Empty>
      ) : (
        <TimeSeries
          label={name}
          times={drawn.times}
          series={(value ?? []).map((sample, index) => ({
            name: named("{{endpoint}}", sample.labels) || name,
            values: drawn.values[index] ?? [],
          }))}
          unit={unit}
          marks={marks}
          height={150}
        />
      )}
    </section>
  );
}

/** The span's attributes as matchers, under the names that the shipped link gives them. */
function matchers(span: Span, tags: Tag[]): string {
  return tags
    .filter((tag) => span.attributes?.[tag.key] !== undefined)
    .map((tag) => `${tag.value}=${JSON.stringify(String(span.attributes?.[tag.key]))}`)
    .join(", ");
}

function spansOf(trace: OtlpTrace): Span[] {
  return (trace.resourceSpans ?? []).flatMap(({ resource, scopeSpans = [] }) => {
    const common = plain(resource?.attributes);
    return scopeSpans.flatMap(({ spans = [] }) => spans.map((span) => spanOf(span, common)));
  });
}

function spanOf(span: OtlpSpan, common: Record<string, unknown>): Span {
  const own = plain(span.attributes);
  const start = Number(BigInt(span.startTimeUnixNano) / 1000n) / 1e6;
  const nanos = BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano);
  const events = (span.events ?? []).map((event) => [event.name, plain(event.attributes)] as const);
  return {
    id: span.spanId,
    parent: span.parentSpanId || null,
    name: span.name,
    service: String(common["service.name"] ?? ""),
    kind: kindOf(span.kind, own),
    start,
    duration: Number(nanos) / 1e9,
    error: span.status?.code === 2 || span.status?.code === "STATUS_CODE_ERROR",
    attributes: {
      ...own,
      ...(span.status?.message ? { "status.message": span.status.message } : {}),
      ...Object.fromEntries(
        events.flatMap(([name, values]) =>
          Object.entries(values).map(([key, value]) => [`${name}: ${key}`, value]),
        ),
      ),
      ...common,
    },
  };
}

function kindOf(kind: string | number | undefined, own: Record<string, unknown>): Span["kind"] {
  const database = own["db.system.name"] ?? own["db.system"];
  if (database) return database === "redis" ? "redis" : "sql";
  if (kind === 2 || kind === "SPAN_KIND_SERVER") return "server";
  return kind === 3 || kind === "SPAN_KIND_CLIENT" ? "client" : "internal";
}

function plain(attributes: Attribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
