import { Empty, hrefTo, type LogLine, LogList } from "../../shared";
import { useLoaded } from "../loading";
import { fill } from "../scope";
import { type LokiLine, lokiLines } from "../sources";
import type { PanelProps } from "./question";

export function LogsPanel({ panel, scope, settings, height }: PanelProps) {
  const target = panel.targets?.[0];
  const { value, error } = useLoaded(
    () => lokiLines(fill(target?.expr ?? "", scope), scope.from, scope.to, target?.maxLines ?? 100),
    [panel, scope],
  );
  if (error) return <Empty>{error}</Empty>;
  if (!value) return <Empty>…</Empty>;
  return (
    <LogList
      label={panel.title}
      lines={value.map(shown)}
      height={height}
      linkOf={(field, text, line) =>
        field === settings.links.exemplarLabel ? traceHref(text, line.at) : undefined
      }
    />
  );
}

export const traceHref = (trace: string, ms: number): string =>
  hrefTo(`trace/${encodeURIComponent(trace)}`, { at: Math.round(ms / 1000) });

/** A line of Loki as the list shows it; its labels and its structured metadata are its fields. */
export function shown(line: LokiLine, index: number): LogLine {
  const { severity_text: level, detected_level: guessed, ...fields } = line.labels;
  return {
    key: `${line.at} ${index}`,
    at: line.at,
    level: level ?? guessed ?? "",
    message: line.text,
    fields,
  };
}
