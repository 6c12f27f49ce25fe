/** What happened: marks in every graph, from the dashboard's own annotation queries. */
import type { Mark } from "../shared";
import type { AnnotationModel, Dashboard } from "./model";
import { fill, named, type Scope } from "./scope";
import { promRange, type Sample } from "./sources";

const STEP = 60;

export async function marksOf(board: Dashboard, scope: Scope): Promise<Mark[]> {
  const found = await Promise.all(
    board.annotations.list
      .filter((one) => one.expr)
      .map(async (one) => {
        const step = Math.max(STEP, Math.ceil((scope.to - scope.from) / 1000 / STEP) * STEP);
        const samples = await promRange(
          fill(one.expr ?? "", scope, step),
          scope.from,
          scope.to,
          step,
        );
        return samples.flatMap((sample) => marks(one, sample, scope));
      }),
  );
  return found.flat().sort((a, b) => a.at - b.at);
}

function marks(model: AnnotationModel, { labels, points }: Sample, scope: Scope): Mark[] {
  const title = named(model.titleFormat ?? "", labels);
  const text = named(model.textFormat ?? "", labels);
  const times = points.map(([at, value]) => (model.useValueForTime ? value / 1000 : at));
  return [...new Set(times)]
    .filter((at) => at >= scope.from && at <= scope.to)
    .map((at) => ({ at, color: model.iconColor, text: [title, text].filter(Boolean).join(": ") }));
}
