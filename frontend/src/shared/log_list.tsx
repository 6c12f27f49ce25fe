/** Log lines, newest first; each opens to show its fields. Text is always text, never markup. */
import type { ComponentChildren } from "preact";
import { formatTime } from "./format";
import { Empty } from "./layout";
import "./log_list.css";
import type { Tone } from "./theme";

export interface LogLine {
  key: string;
  /** Milliseconds since 1970. */
  at: number;
  /** As the app writes it: "info", "ERROR". */
  level: string;
  message: string;
  fields?: Record<string, unknown> | undefined;
}

interface LogListProps {
  label: string;
  lines: LogLine[];
  /** A link for a field, to the trace of a trace_id say; without one the value is shown. */
  linkOf?: ((field: string, value: string, line: LogLine) => string | undefined) | undefined;
  /** What stands in the opened line above its fields. */
  above?: ((line: LogLine) => ComponentChildren) | undefined;
  /** The height beyond which the list scrolls, in pixels. */
  height?: number | undefined;
  empty?: string;
}

export function toneOfLevel(level: string): Tone {
  const known = level.toLowerCase();
  if (/^(err|crit|fatal|emerg|alert)/.test(known)) return "bad";
  return known.startsWith("warn") ? "warn" : "none";
}

export function LogList({ label, lines, linkOf, above, height, empty }: LogListProps) {
  if (!lines.length) return <Empty>{empty ?? "no lines in this time"}</Empty>;
  const style = height === undefined ? {} : { maxHeight: `${height}px` };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="lines" aria-label={label} tabIndex={0} style={style}>
      <ol>
        {lines.map((line) => (
          <Line key={line.key} line={line} linkOf={linkOf} above={above} />
        ))}
      </ol>
    </section>
  );
}

function Line({ line, linkOf, above }: { line: LogLine } & Pick<LogListProps, "linkOf" | "above">) {
  const level = line.level.toLowerCase();
  return (
    <li class={`level-${/^[a-z]+$/.test(level) ? level : "other"}`}>
      <details>
        <summary>
          <time dateTime={new Date(line.at).toISOString()}>{formatTime(line.at)}</time>
          <span class={`level ${toneOfLevel(level)}`}>{level || "–"}</span>
          <span class="message">{line.message.split("\n", 1)[0]}</span>
        </summary>
        {above?.(line)}
        {line.message.includes("\n") && <pre>{line.message}</pre>}
        <Fields
          fields={line.fields ?? {}}
          linkOf={linkOf && ((name, value) => linkOf(name, value, line))}
        />
      </details>
    </li>
  );
}

/** Names and values, in the order given. */
export function Fields({
  fields,
  linkOf,
}: {
  fields: Record<string, unknown>;
  linkOf?: ((field: string, value: string) => string | undefined) | undefined;
}) {
  return (
    <dl class="fields">
      {Object.entries(fields).map(([name, value]) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        const href = linkOf?.(name, text);
        return (
          <>
            <dt>{name}</dt>
            <dd>{href ? <a href={href}>{text}</a> : text}</dd>
          </>
        );
      })}
    </dl>
  );
}
