import { Empty, formatValue, Sparkline, type Tone } from "../../shared";
import { useLoaded } from "../loading";
import { stepColour } from "../model";
import { asked, type PanelProps } from "./question";

const TONES: Record<string, Tone> = { "#009E73": "good", "#E69F00": "warn", "#D55E00": "bad" };
const WORDS: Record<Tone, string> = { none: "", good: "good", warn: "warning", bad: "bad" };

/** The meaning of a threshold's colour; others than the three mean nothing. */
export const toneOf = (colour: string | undefined): Tone => TONES[colour ?? ""] ?? "none";

export function StatPanel({ panel, scope }: PanelProps) {
  const { value: answers, error } = useLoaded(() => asked(panel, scope), [panel, scope]);
  if (error) return <Empty>{error}</Empty>;
  if (!answers) return <Empty>…</Empty>;
  const points = answers[0]?.[0]?.points ?? [];
  const last = points.findLast(([, value]) => Number.isFinite(value))?.[1] ?? null;
  const { unit, decimals, thresholds } = panel.fieldConfig.defaults;
  const tone = toneOf(stepColour(last, thresholds?.steps));
  return (
    <div class={`big tone-${tone}`}>
      <span class={`stat-value ${tone}`}>
        {last === null ? "no data" : formatValue(last, unit, decimals)}
        {tone !== "none" && <span class="visually-hidden"> ({WORDS[tone]})</span>}
      </span>
      {panel.options.graphMode !== "none" && (
        <Sparkline values={points.map(([, value]) => value)} />
      )}
    </div>
  );
}
