/** One number, how it is to be read, and its course. */
import { formatValue } from "./format";
import "./stat.css";
import type { Tone } from "./theme";

interface StatProps {
  title: string;
  value: number | null;
  unit?: string | undefined;
  decimals?: number | undefined;
  tone?: Tone;
  /** A few words under the number. */
  note?: string | undefined;
  /** Its course, evenly spaced. */
  spark?: (number | null)[] | undefined;
  href?: string | undefined;
}

const WORDS: Record<Tone, string> = { none: "", good: "good", warn: "warning", bad: "bad" };

export function Stat({
  title,
  value,
  unit,
  decimals,
  tone = "none",
  note,
  spark,
  href,
}: StatProps) {
  const content = (
    <>
      <span class="faint">{title}</span>
      <span class={`stat-value ${tone}`}>
        {formatValue(value, unit, decimals)}
        {tone !== "none" && <span class="visually-hidden"> ({WORDS[tone]})</span>}
      </span>
      {note && <span class="faint">{note}</span>}
      {spark && <Sparkline values={spark} />}
    </>
  );
  const kind = `panel stat tone-${tone}`;
  return href ? (
    <a class={kind} href={href}>
      {content}
    </a>
  ) : (
    <div class={kind}>{content}</div>
  );
}

/** The course of a value without axes; gaps where it is null. */
export function Sparkline({ values }: { values: (number | null)[] }) {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  if (known.length < 2) return null;
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const step = 100 / (values.length - 1);
  let path = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === null || !Number.isFinite(value)) {
      pen = "M";
      return;
    }
    path += `${pen}${(index * step).toFixed(2)} ${(29 - ((value - low) / span) * 26).toFixed(2)}`;
    pen = "L";
  });
  return (
    <svg viewBox="0 0 100 32" preserveAspectRatio="none" aria-hidden="true">
      <path d={path} fill="none" stroke="currentColor" vector-effect="non-scaling-stroke" />
    </svg>
  );
}
