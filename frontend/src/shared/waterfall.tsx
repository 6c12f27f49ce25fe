/** The spans of one trace or request on a common time line; each opens to show its attributes. */
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { formatDuration } from "./format";
import { Empty } from "./layout";
import { Fields } from "./log_list";
import "./waterfall.css";

export interface Span {
  id: string;
  /** Null, or an id that is not among the spans, for a root. */
  parent: string | null;
  name: string;
  /** The service that made it. */
  service?: string | undefined;
  /** Decides the colour. */
  kind: "server" | "sql" | "redis" | "client" | "internal";
  /** Seconds; any origin that all spans share. */
  start: number;
  /** Seconds. */
  duration: number;
  error?: boolean | undefined;
  attributes?: Record<string, unknown> | undefined;
}

interface WaterfallProps {
  label: string;
  spans: Span[];
  /** What stands in an opened span above its attributes: links to its lines say. */
  above?: ((span: Span) => ComponentChildren) | undefined;
}

/** Percent of the track that the length of a span needs beside its bar, on a phone as well. */
const LENGTH_ROOM = 26;

export function Waterfall({ label, spans, above }: WaterfallProps) {
  const [open, setOpen] = useState<string | null>(null);
  const rows = useMemo(() => inOrder(spans), [spans]);
  if (!spans.length) return <Empty>no spans</Empty>;
  const begin = Math.min(...spans.map((span) => span.start));
  const total = Math.max(...spans.map((span) => span.start + span.duration)) - begin || 1e-9;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="waterfall" aria-label={label} tabIndex={0}>
      <ol>
        {rows.map(({ span, depth }) => (
          <li key={span.id}>
            <button
              type="button"
              aria-expanded={open === span.id}
              onClick={() => setOpen(open === span.id ? null : span.id)}
            >
              <span class="span-name" style={{ paddingLeft: `${Math.min(depth, 12) * 14}px` }}>
                {span.error && <span class="bad">✕ </span>}
                {span.name}
                {span.service && <span class="faint"> {span.service}</span>}
              </span>
              <Bar span={span} from={(span.start - begin) / total} share={span.duration / total} />
            </button>
            {open === span.id && (
              <div class="span-open">
                {above?.(span)}
                <Fields fields={span.attributes ?? {}} />
              </div>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Bar({ span, from, share }: { span: Span; from: number; share: number }) {
  const left = from * 100;
  const right = Math.min(100, (from + share) * 100);
  // The length is written where there is room: right of the bar, else left of it, else inside.
  const fits = right <= 100 - LENGTH_ROOM;
  const inside = !fits && left < LENGTH_ROOM;
  const before = { right: `${100 - left}%` };
  const place = fits ? { left: `${right}%` } : inside ? { left: `${left}%` } : before;
  return (
    <span class="span-track">
      <span
        class={`span-bar kind-${span.kind}${span.error ? " error" : ""}`}
        style={{ left: `${left}%`, width: `${right - left}%` }}
      />
      <span class={inside ? "span-length inside" : "span-length"} style={place}>
        {formatDuration(span.duration)}
      </span>
    </span>
  );
}

/** Parents before children, children by start; a span whose parent is missing is a root. */
function inOrder(spans: Span[]): { span: Span; depth: number }[] {
  const known = new Set(spans.map((span) => span.id));
  const children = new Map<string | null, Span[]>();
  for (const span of spans) {
    const parent = span.parent !== null && known.has(span.parent) ? span.parent : null;
    const siblings = children.get(parent);
    if (siblings) siblings.push(span);
    else children.set(parent, [span]);
  }
  const rows: { span: Span; depth: number }[] = [];
  const seen = new Set<string>();
  const walk = (parent: string | null, depth: number) => {
    const below = [...(children.get(parent) ?? [])].sort((a, b) => a.start - b.start);
    for (const span of below) {
      if (seen.has(span.id)) continue;
      seen.add(span.id);
      rows.push({ span, depth });
      walk(span.id, depth + 1);
    }
  };
  walk(null, 0);
  // What only a cycle of parents reaches is shown all the same.
  for (const span of spans) if (!seen.has(span.id)) rows.push({ span, depth: 0 });
  return rows;
}
