import { useEffect, useRef, useState } from "preact/hooks";
import { Empty, formatTime, formatValue } from "../../shared";
import { cividis } from "../colours";
import { useLoaded } from "../loading";
import { fill, type Scope, stepOf } from "../scope";
import type { Sample } from "../sources";
import { asked, onOneTimeLine, type PanelProps } from "./question";

interface Heat {
  times: number[];
  /** The upper bound of each row of buckets, ascending. */
  bounds: number[];
  /** Events per row and time. */
  cells: number[][];
  most: number;
}

export function HeatPanel({ panel, scope, height }: PanelProps) {
  const { value, error } = useLoaded(
    async () => heatOf((await asked(panel, scope)).flat(), scope, stepOf(scope, 60)),
    [panel, scope],
  );
  if (error) return <Empty>{error}</Empty>;
  if (!value) return <Empty>…</Empty>;
  if (!value.most) return <Empty>no data in this time</Empty>;
  const unit = panel.fieldConfig.defaults.unit;
  return <HeatMap label={fill(panel.title, scope)} heat={value} unit={unit} height={height - 22} />;
}

/** Prometheus's buckets count what is at or below their bound: each row is the rest to the next. */
function heatOf(samples: Sample[], scope: Scope, step: number): Heat {
  const ordered = [...samples].sort((a, b) => bound(a) - bound(b));
  const { times, values } = onOneTimeLine(ordered, scope, step);
  const rows = values.map((row, index) =>
    row.map((value, at) =>
      Math.max(0, (value ?? 0) - (index ? (values[index - 1]?.[at] ?? 0) : 0)),
    ),
  );
  const used = rows.map((row) => row.some((value) => value > 0));
  const [first, last] = [used.indexOf(true), used.lastIndexOf(true)];
  const cells = first < 0 ? [] : rows.slice(first, last + 1);
  return {
    times,
    bounds: ordered.slice(first, last + 1).map(bound),
    cells,
    most: Math.max(0, ...cells.flat()),
  };
}

const bound = ({ labels }: Sample): number =>
  labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels.le);

interface HeatMapProps {
  label: string;
  heat: Heat;
  unit?: string | undefined;
  height: number;
}

function HeatMap({ label, heat, unit, height }: HeatMapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [said, setSaid] = useState("");
  const { times, bounds, cells, most } = heat;
  useEffect(() => {
    const at = canvas.current;
    const context = at?.getContext("2d");
    if (!at || !context) return;
    at.width = times.length;
    at.height = cells.length;
    cells.forEach((row, y) => {
      row.forEach((value, x) => {
        if (!value) return;
        context.fillStyle = cividis(Math.sqrt(value / most)); // a few slow ones are seen beside many
        context.fillRect(x, cells.length - 1 - y, 1, 1);
      });
    });
  }, [heat]);
  const tell = (event: MouseEvent) => {
    const { width, height: tall } = (event.target as Element).getBoundingClientRect();
    const x = Math.floor((event.offsetX / width) * times.length);
    const y = cells.length - 1 - Math.floor((event.offsetY / tall) * cells.length);
    const [low, high] = [y ? formatValue(bounds[y - 1] ?? 0, unit) : "0", bounds[y] ?? 0];
    const upper = Number.isFinite(high) ? formatValue(high, unit) : "∞";
    const when = formatTime((times[x] ?? 0) * 1000, { millis: false });
    setSaid(`${when}: ${formatValue(cells[y]?.[x] ?? 0)} in ${low} to ${upper}`);
  };
  const every = Math.ceil(bounds.length / Math.max(1, Math.floor(height / 18)));
  return (
    <figure class="heat" aria-label={label}>
      <div class="heat-body" style={{ height: `${Math.max(60, height - 4)}px` }}>
        <div class="heat-bounds faint" aria-hidden="true">
          {bounds.map((high, index) => (
            <span key={high}>
              {index % every === 0 && (Number.isFinite(high) ? formatValue(high, unit) : "∞")}
            </span>
          ))}
        </div>
        <canvas ref={canvas} onMouseMove={tell} onMouseLeave={() => setSaid("")} />
      </div>
      <figcaption class="faint">
        {said || `at most ${formatValue(most)} in a cell (yellow)`}
      </figcaption>
    </figure>
  );
}
