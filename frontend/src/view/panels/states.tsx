import { Empty, formatTime } from "../../shared";
import { useLoaded } from "../loading";
import type { PanelModel } from "../model";
import { named, type Scope, stepOf } from "../scope";
import type { Sample } from "../sources";
import { asked, onOneTimeLine, type PanelProps } from "./question";

interface Stretch {
  from: number;
  to: number;
  text: string;
  colour: string;
}

export function StatesPanel({ panel, scope }: PanelProps) {
  const { value: answers, error } = useLoaded(() => asked(panel, scope), [panel, scope]);
  if (error) return <Empty>{error}</Empty>;
  if (!answers) return <Empty>…</Empty>;
  const rows = answers.flatMap((samples, place) =>
    samples.map((sample) => ({
      name: named(panel.targets?.[place]?.legendFormat ?? "", sample.labels) || "value",
      stretches: stretchesOf(panel, sample, scope),
    })),
  );
  if (!rows.length) return <Empty>no data in this time</Empty>;
  const share = (seconds: number) => `${(seconds / (scope.to - scope.from)) * 100}%`;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="states" aria-label={panel.title} tabIndex={0}>
      <dl>
        {rows.map((row) => (
          <div key={row.name}>
            <dt title={row.name}>{row.name}</dt>
            <dd>
              {row.stretches.map((one) => (
                <span
                  key={one.from}
                  title={`${one.text} from ${clock(one.from)} to ${clock(one.to)}`}
                  style={{
                    left: share(one.from - scope.from),
                    width: share(one.to - one.from),
                    background: one.colour,
                  }}
                >
                  {one.text}
                </span>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const clock = (seconds: number) => formatTime(seconds * 1000, { millis: false });

/** Neighbours of the same state are one. */
function stretchesOf(panel: PanelModel, sample: Sample, scope: Scope): Stretch[] {
  const step = stepOf(scope, 120);
  const { times, values } = onOneTimeLine([sample], scope, step);
  const mapping = panel.fieldConfig.defaults.mappings?.[0]?.options ?? {};
  const found: Stretch[] = [];
  values[0]?.forEach((value, index) => {
    const state = value === null ? undefined : mapping[String(value)];
    if (!state) return;
    // A point is in the middle of what it stands for, so that one at the very end is seen, too.
    const at = times[index] ?? 0;
    const from = Math.max(scope.from, at - step / 2);
    const to = Math.min(scope.to, at + step / 2);
    const last = found[found.length - 1];
    if (last && last.text === state.text && from - last.to < step / 2) last.to = to;
    else if (to > from) found.push({ from, to, text: state.text, colour: state.color });
  });
  return found;
}
