/** What each kind of panel is given, and how its queries are asked. */
import type { PanelModel, Target } from "../model";
import { fill, type Scope, stepOf } from "../scope";
import { lokiRange, promInstant, promRange, type Sample } from "../sources";

export interface PanelProps {
  panel: PanelModel;
  scope: Scope;
  settings: import("../sources").Settings;
  /** Pixels that the panel's content may take. */
  height: number;
  onZoom: (from: number, to: number) => void;
}

export const sourceOf = (panel: PanelModel, target: Target): string =>
  target.datasource?.type ?? panel.datasource?.type ?? "";

/** Ask each query of a panel; the answers in the queries' order. */
export function asked(panel: PanelModel, scope: Scope): Promise<Sample[][]> {
  return Promise.all((panel.targets ?? []).map((target) => ask(panel, target, scope)));
}

function ask(panel: PanelModel, target: Target, scope: Scope): Promise<Sample[]> {
  const step = stepOf(scope, panel.gridPos.w * 50);
  const expr = fill(target.expr ?? "", scope, step);
  if (sourceOf(panel, target) === "loki") return lokiRange(expr, scope.from, scope.to, step);
  if (target.instant) return promInstant(expr, scope.to);
  return promRange(expr, scope.from, scope.to, step);
}

/** Put series on one time line, evenly spaced; null where a series has no point. */
export function onOneTimeLine(
  series: Sample[],
  scope: Scope,
  step: number,
): { times: number[]; values: (number | null)[][] } {
  const first = Math.floor(scope.from / step) * step;
  const count = Math.floor((scope.to - first) / step) + 1;
  const times = Array.from({ length: count }, (_, index) => first + index * step);
  const values = series.map(({ points }) => {
    const row: (number | null)[] = times.map(() => null);
    for (const [at, value] of points) {
      const index = Math.round((at - first) / step);
      if (index >= 0 && index < count) row[index] = Number.isFinite(value) ? value : null;
    }
    return row;
  });
  return { times, values };
}
