import { type Column, Empty, formatDuration, formatTime, hrefTo, Table } from "../../shared";
import { useLoaded } from "../loading";
import { overridden, type PanelModel, stepColour } from "../model";
import { fill, link, type Scope } from "../scope";
import { type FoundTrace, type Sample, searchTraces } from "../sources";
import { asked, type PanelProps } from "./question";
import { toneOf } from "./stat";

interface Row {
  key: string;
  labels: Record<string, string>;
  /** By "Value #A". */
  values: Record<string, number>;
}

export function TablePanel({ panel, scope }: PanelProps) {
  const { value: answers, error } = useLoaded(() => asked(panel, scope), [panel, scope]);
  if (error) return <Empty>{error}</Empty>;
  if (!answers) return <Empty>…</Empty>;
  const columns = columnsOf(panel, scope);
  const sort = panel.options.sortBy?.[0];
  return (
    <Table
      label={panel.title}
      columns={columns}
      rows={merged(panel, answers)}
      rowKey={(row) => row.key}
      initialSort={sort && { key: sort.displayName, descending: sort.desc }}
    />
  );
}

/** Rows of all queries that carry the same labels are one row. */
function merged(panel: PanelModel, answers: Sample[][]): Row[] {
  const rows = new Map<string, Row>();
  answers.forEach((samples, place) => {
    const refId = panel.targets?.[place]?.refId ?? "";
    for (const { labels, points } of samples) {
      const key = JSON.stringify(Object.entries(labels).sort());
      const row = rows.get(key) ?? { key, labels, values: {} };
      row.values[`Value #${refId}`] = points[0]?.[1] ?? Number.NaN;
      rows.set(key, row);
    }
  });
  return [...rows.values()];
}

function columnsOf(panel: PanelModel, scope: Scope): Column<Row>[] {
  const organize = panel.transformations?.find((one) => one.id === "organize")?.options;
  const places = Object.entries(organize?.indexByName ?? {}).sort(([, a], [, b]) => a - b);
  return places.map(([name]) => {
    const title = organize?.renameByName?.[name] ?? name;
    const field = overridden(panel, title);
    if (!name.startsWith("Value #")) {
      const first = field.links?.[0];
      return {
        key: title,
        title,
        value: (row) => row.labels[name] ?? null,
        render: (row) => {
          const value = row.labels[name] ?? "";
          return first ? (
            <a href={link(first.url, scope, { "__value.raw": value })}>{value}</a>
          ) : (
            value
          );
        },
      };
    }
    const unit = field.unit ?? panel.fieldConfig.defaults.unit ?? "none";
    return {
      key: title,
      title,
      unit,
      decimals: field.decimals,
      value: (row) => row.values[name] ?? null,
      tone: (row) => toneOf(stepColour(finite(row.values[name]), field.thresholds?.steps)),
    };
  });
}

const finite = (value: number | undefined): number | null =>
  value === undefined || !Number.isFinite(value) ? null : value;

const TRACE_COLUMNS: Column<FoundTrace>[] = [
  {
    key: "trace",
    title: "Trace",
    value: (trace) => trace.traceID,
    render: (trace) => (
      <a class="mono" href={traceHref(trace)}>
        {trace.traceID.slice(0, 8)}
      </a>
    ),
  },
  {
    key: "start",
    title: "Start",
    value: (trace) => Number(trace.startTimeUnixNano),
    render: (trace) => formatTime(Number(trace.startTimeUnixNano) / 1e6, { millis: false }),
  },
  { key: "name", title: "Name", value: (trace) => trace.rootTraceName ?? "" },
  {
    key: "duration",
    title: "Duration",
    unit: "ms",
    value: (trace) => trace.durationMs ?? 0,
    render: (trace) => formatDuration((trace.durationMs ?? 0) / 1000),
  },
];

const traceHref = (trace: FoundTrace) =>
  hrefTo(`trace/${encodeURIComponent(trace.traceID)}`, {
    at: Math.round(Number(trace.startTimeUnixNano) / 1e9),
  });

export function TracesPanel({ panel, scope, settings }: PanelProps) {
  const target = panel.targets?.[0];
  const { value, error } = useLoaded(
    async () =>
      settings.sources.tempo
        ? searchTraces(fill(target?.query ?? "", scope), scope.from, scope.to, target?.limit ?? 20)
        : null,
    [panel, scope],
  );
  if (error) return <Empty>{error}</Empty>;
  if (value === undefined) return <Empty>…</Empty>;
  if (value === null) return <Empty>no trace store; name one with --traces</Empty>;
  return (
    <Table
      label={panel.title}
      columns={TRACE_COLUMNS}
      rows={value}
      rowKey={(trace) => trace.traceID}
      initialSort={{ key: "start", descending: true }}
      empty="no traces in this time"
    />
  );
}
