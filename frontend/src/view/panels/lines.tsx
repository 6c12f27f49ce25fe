import { useMemo } from "preact/hooks";
import { Empty, type Exemplar, formatValue, hrefTo, type Mark, TimeSeries } from "../../shared";
import { byValue } from "../colours";
import { useLoaded } from "../loading";
import { overridden, type PanelModel, type Step } from "../model";
import { fill, link, named, type Scope, stepOf } from "../scope";
import { promExemplars, type Sample, type Settings } from "../sources";
import { asked, onOneTimeLine, type PanelProps } from "./question";

export function LinesPanel(props: PanelProps & { marks: Mark[] }) {
  const { panel, scope, settings, marks, height, onZoom } = props;
  const { value, error } = useLoaded(
    async () => ({
      answers: await asked(panel, scope),
      exemplars: await exemplarsOf(panel, scope, settings),
    }),
    [panel, scope],
  );
  const drawn = useMemo(() => value && linesOf(panel, scope, value.answers), [panel, value]);
  const thresholds = useMemo(() => limits(panel), [panel]);
  if (error) return <Empty>{error}</Empty>;
  if (!value || !drawn) return <Empty>…</Empty>;
  const { unit, decimals, min, max, custom } = panel.fieldConfig.defaults;
  return (
    <TimeSeries
      label={fill(panel.title, scope)}
      times={drawn.times}
      series={drawn.series}
      exemplars={value.exemplars}
      thresholds={thresholds}
      marks={marks}
      stacked={custom?.stacking?.mode === "normal"}
      unit={unit}
      decimals={decimals}
      min={min}
      max={max}
      height={Math.max(90, height - 44)}
      group="board"
      onZoom={onZoom}
    />
  );
}

function linesOf(panel: PanelModel, scope: Scope, answers: Sample[][]) {
  const { color, links = [] } = panel.fieldConfig.defaults;
  const all = answers.flatMap((samples, place) => {
    const target = panel.targets?.[place];
    return samples.map((sample) => ({
      sample,
      name: named(target?.legendFormat ?? "", sample.labels) || "value",
      refId: target?.refId ?? "",
    }));
  });
  const step = stepOf(scope, panel.gridPos.w * 50);
  const { times, values } = onOneTimeLine(
    all.map((one) => one.sample),
    scope,
    step,
  );
  const highest = values.map((row) => row.reduce<number>((top, one) => Math.max(top, one ?? 0), 0));
  const top = Math.max(...highest, 0) || 1;
  const series = all.map(({ sample, name, refId }, index) => {
    const fixed = overridden(panel, name, refId).color?.fixedColor ?? color?.fixedColor;
    const detail = links[0];
    return {
      name,
      values: values[index] ?? [],
      color: fixed ?? (all.length > 1 ? byValue((highest[index] ?? 0) / top) : undefined),
      href: detail && link(detail.url, scope, fieldLabels(sample)),
    };
  });
  return { times, series };
}

const fieldLabels = ({ labels }: Sample): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([name, one]) => [`__field.labels.${name}`, one]));

/** The lines at the panel's thresholds; the first step is the colour below them. */
function limits(panel: PanelModel): { value: number; color: string }[] {
  const { thresholds, custom } = panel.fieldConfig.defaults;
  if (!custom?.thresholdsStyle || custom.thresholdsStyle.mode === "off") return [];
  return (thresholds?.steps ?? [])
    .filter((step): step is Step & { value: number } => step.value !== null)
    .map(({ value, color }) => ({ value, color }));
}

async function exemplarsOf(
  panel: PanelModel,
  scope: Scope,
  settings: Settings,
): Promise<Exemplar[]> {
  const wanted = (panel.targets ?? []).filter((target) => target.exemplar);
  const found = await Promise.all(
    wanted.map((target) =>
      promExemplars(
        fill(target.expr ?? "", scope, stepOf(scope, panel.gridPos.w * 50)),
        scope.from,
        scope.to,
      ),
    ),
  );
  const unit = panel.fieldConfig.defaults.unit;
  const byTrace = new Map<string, Exemplar>();
  for (const { seriesLabels, exemplars } of found.flat()) {
    for (const one of exemplars) {
      const trace = one.labels[settings.links.exemplarLabel];
      if (!trace) continue;
      const value = Number(one.value);
      byTrace.set(trace, {
        at: one.timestamp,
        value,
        text: `Trace of ${formatValue(value, unit)} ${seriesLabels.endpoint ?? ""}`.trim(),
        href: hrefTo(`trace/${encodeURIComponent(trace)}`, { at: Math.round(one.timestamp) }),
      });
    }
  }
  return [...byTrace.values()];
}
