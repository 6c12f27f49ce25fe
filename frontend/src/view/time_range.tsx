import { formatTime } from "../shared";
import { momentOf } from "./scope";

const SPANS = ["15m", "1h", "3h", "6h", "12h", "24h", "7d", "30d"];

interface TimeRangeProps {
  range: { from: string; to: string };
  onChoose: (from: string, to: string) => void;
}

export function TimeRange({ range, onChoose }: TimeRangeProps) {
  const span = range.to === "now" && range.from.startsWith("now-") ? range.from.slice(4) : "";
  const now = Date.now() / 1000;
  const clock = (text: string) => formatTime(momentOf(text, now) * 1000, { millis: false });
  return (
    <label class="variable">
      Time
      <select
        value={span}
        onChange={(event) => onChoose(`now-${event.currentTarget.value}`, "now")}
      >
        {!span && (
          <option value="">
            {clock(range.from)} – {range.to === "now" ? "now" : clock(range.to)}
          </option>
        )}
        {[...new Set([...SPANS, ...(span ? [span] : [])])].map((one) => (
          <option key={one} value={one}>
            last {one}
          </option>
        ))}
      </select>
    </label>
  );
}
