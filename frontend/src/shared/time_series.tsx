/** Values over time, drawn by uPlot: thresholds, marks, exemplars that are links, a zoom by dragging. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatTime, formatValue } from "./format";
import { Empty } from "./layout";
import { colour, seriesColour, useTheme } from "./theme";
import "./time_series.css";

export interface Series {
  name: string;
  values: (number | null)[];
  /** A colour; one of the palette's where there is none. */
  color?: string | undefined;
  dashed?: boolean | undefined;
  /** Share of the area under the line that is filled, 0 to 1. */
  fill?: number | undefined;
  href?: string | undefined;
}

export interface Threshold {
  value: number;
  color: string;
}

/** A vertical line: something happened. */
export interface Mark {
  /** Seconds since 1970. */
  at: number;
  color: string;
  text: string;
}

/** One event that a number stands for; opens its trace. */
export interface Exemplar {
  /** Seconds since 1970. */
  at: number;
  value: number;
  text: string;
  href: string;
}

interface TimeSeriesProps {
  label: string;
  /** Seconds since 1970, ascending, shared by all series. */
  times: number[];
  series: Series[];
  unit?: string | undefined;
  decimals?: number | undefined;
  thresholds?: Threshold[] | undefined;
  marks?: Mark[] | undefined;
  exemplars?: Exemplar[] | undefined;
  stacked?: boolean | undefined;
  min?: number | undefined;
  max?: number | undefined;
  /** Pixels, without the legend. */
  height?: number;
  /** Charts of one group share the cursor. */
  group?: string | undefined;
  /** Seconds; called with the part that was dragged over. */
  onZoom?: ((from: number, to: number) => void) | undefined;
}

const MOST_EXEMPLARS = 40;
const TIP_LINES = 12;

export function TimeSeries(props: TimeSeriesProps) {
  const { label, times, series, unit, decimals, exemplars = [], height = 200 } = props;
  const box = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const [width, setWidth] = useState(0);
  const [drawn, setDrawn] = useState<uPlot | null>(null);
  const [tip, setTip] = useState<{ index: number; left: number } | null>(null);
  const colours = useMemo(
    () => series.map((one, index) => one.color ?? seriesColour(index)),
    [series, theme],
  );
  const empty = !series.some((one) => one.values.some((value) => value !== null));

  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.floor(entry?.contentRect.width ?? 0)),
    );
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (!box.current || !width || empty) return;
    const options = chartOptions(props, colours, width, height, setTip);
    const chart = new uPlot(options, chartData(props), box.current);
    chart.root.setAttribute("aria-hidden", "true"); // the list below it says the same in words
    setDrawn(chart);
    return () => {
      setDrawn(null);
      chart.destroy();
    };
  }, [props.times, series, colours, width, height, props.marks, props.thresholds, empty]);

  const last = (one: Series) => one.values.findLast((value) => value !== null) ?? null;
  return (
    // A figure's caption is its label; its numbers are in the legend.
    <figure class="chart" aria-label={label} style={{ margin: 0 }}>
      <div ref={box} style={{ minHeight: `${height}px` }}>
        {empty && <Empty>no data in this time</Empty>}
      </div>
      {drawn && thinned(exemplars).map((one) => <Dot key={one.text} one={one} chart={drawn} />)}
      {drawn && tip && (
        <div class="chart-tip" style={tipPlace(tip.left, width)}>
          <div class="faint">{formatTime((times[tip.index] ?? 0) * 1000, { millis: false })}</div>
          {tipLines(series, colours, tip.index).map((line) => (
            <div key={line.name}>
              <span class="swatch" style={{ background: line.color }} />
              {line.name}
              <span class="push">{formatValue(line.value, unit, decimals)}</span>
            </div>
          ))}
        </div>
      )}
      {!empty && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a long one scrolls
        <ul class="legend" tabIndex={0} aria-label={`Legend of ${label}`}>
          {series.map((one, index) => (
            <li key={one.name}>
              <span class="swatch" style={{ background: colours[index] ?? "" }} />
              {one.href ? <a href={one.href}>{one.name}</a> : one.name}
              <span class="faint">{formatValue(last(one), unit, decimals)}</span>
            </li>
          ))}
        </ul>
      )}
    </figure>
  );
}

function Dot({ one, chart }: { one: Exemplar; chart: uPlot }) {
  const { width, height, left, top } = chart.bbox;
  const ratio = devicePixelRatio || 1;
  const x = chart.valToPos(one.at, "x");
  const y = chart.valToPos(one.value, "y");
  if (x < 0 || x > width / ratio || y < 0 || y > height / ratio) return null;
  return (
    <a
      class="exemplar"
      href={one.href}
      title={one.text}
      style={{ left: `${x + left / ratio}px`, top: `${y + top / ratio}px` }}
    >
      <span class="visually-hidden">{one.text}</span>
    </a>
  );
}

/** The highest ones, as many as can be told apart. */
function thinned(exemplars: Exemplar[]): Exemplar[] {
  return [...exemplars].sort((a, b) => b.value - a.value).slice(0, MOST_EXEMPLARS);
}

const tipPlace = (left: number, width: number) =>
  left < width / 2
    ? { left: `${left + 14}px`, top: "8px" }
    : { right: `${width - left + 14}px`, top: "8px" };

function tipLines(series: Series[], colours: string[], index: number) {
  return series
    .map((one, place) => ({
      name: one.name,
      color: colours[place] ?? "",
      value: one.values[index] ?? null,
    }))
    .filter((line) => line.value !== null)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0))
    .slice(0, TIP_LINES);
}

/** Stacked series are drawn from the top down, each as the sum of those below it. */
function chartData({ times, series, stacked }: TimeSeriesProps): uPlot.AlignedData {
  if (!stacked) return [times, ...series.map((one) => one.values)];
  const sums: number[] = times.map(() => 0);
  const layers = series.map((one) =>
    times.map((_, index) => {
      const sum = (sums[index] ?? 0) + (one.values[index] ?? 0);
      sums[index] = sum;
      return sum;
    }),
  );
  return [times, ...layers.reverse()];
}

/** Pixels from one time of day to the next on the axis, and what half of one needs at its end. */
const CLOCK_SPACE = 64;
const HALF_A_CLOCK = 24;

function chartOptions(
  props: TimeSeriesProps,
  colours: string[],
  width: number,
  height: number,
  onCursor: (tip: { index: number; left: number } | null) => void,
): uPlot.Options {
  const { series, unit, decimals, stacked, group, onZoom } = props;
  const lines = series.map((one, index) => {
    const stroke = colours[index] ?? "";
    const share = stacked ? 1 : (one.fill ?? 0);
    return {
      stroke,
      width: 1.5,
      points: { show: false },
      spanGaps: false,
      ...(one.dashed ? { dash: [6, 4] } : {}),
      ...(share ? { fill: translucent(stroke, share) } : {}),
    } satisfies uPlot.Series;
  });
  const axis = {
    stroke: colour("--faint"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  } satisfies uPlot.Axis;
  return {
    width,
    height,
    legend: { show: false },
    padding: [6, HALF_A_CLOCK, 0, 0],
    cursor: {
      points: { size: 5 },
      drag: { x: Boolean(onZoom), y: false, setScale: false },
      ...(group ? { sync: { key: group } } : {}),
    },
    scales: { x: { time: true }, y: { range: (_, low, high) => yRange(props, low, high) } },
    axes: [
      { ...axis, size: 26, space: CLOCK_SPACE, values: (_, ticks) => clockTicks(ticks) },
      {
        ...axis,
        size: 62,
        values: (_, ticks) => ticks.map((tick) => formatValue(tick, unit, tickDecimals(decimals))),
      },
    ],
    series: [{}, ...(stacked ? lines.reverse() : lines)],
    hooks: {
      draw: [(chart) => drawOver(chart, props)],
      setCursor: [
        (chart) => {
          const { idx, left } = chart.cursor;
          if (idx == null || left == null || left < 0) onCursor(null);
          else onCursor({ index: idx, left: left + chart.bbox.left / (devicePixelRatio || 1) });
        },
      ],
      setSelect: [
        (chart) => {
          if (chart.select.width < 6) return;
          onZoom?.(
            chart.posToVal(chart.select.left, "x"),
            chart.posToVal(chart.select.left + chart.select.width, "x"),
          );
        },
      ],
    },
  };
}

/** Times of day, to the second where the graph shows less than minutes; dates where it shows days. */
function clockTicks(ticks: number[]): string[] {
  const pad = (value: number) => String(value).padStart(2, "0");
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  const days = step >= 43200;
  const seconds = ticks.length > 1 && step < 60;
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    return days
      ? `${pad(at.getMonth() + 1)}-${pad(at.getDate())}`
      : `${pad(at.getHours())}:${pad(at.getMinutes())}${seconds ? `:${pad(at.getSeconds())}` : ""}`;
  });
}

/** Decimals of a value are for the value; an axis needs no more than tell its ticks apart. */
const tickDecimals = (decimals?: number) => (decimals === 0 ? 0 : undefined);

/** Include every threshold that lies within reach of the values, and zero where all are positive. */
function yRange(
  { thresholds = [], min, max }: TimeSeriesProps,
  low: number | null,
  high: number | null,
): [number, number] {
  let [bottom, top] = [Math.min(low ?? 0, 0), Math.max(high ?? 1, 0)];
  for (const { value } of thresholds) {
    if (Number.isFinite(value) && value <= top * 4) top = Math.max(top, value);
  }
  if (top === bottom) top = bottom + 1;
  top += (top - bottom) * 0.08;
  if (bottom < 0) bottom -= (top - bottom) * 0.04;
  return [min ?? bottom, max === undefined ? top : Math.max(max, high ?? max)];
}

function drawOver(chart: uPlot, { thresholds = [], marks = [] }: TimeSeriesProps): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = ratio;
  for (const { value, color } of thresholds) {
    const y = chart.valToPos(value, "y", true);
    stroke(ctx, color, [8 * ratio, 4 * ratio], bbox.left, y, bbox.left + bbox.width, y);
  }
  for (const { at, color } of marks) {
    const x = chart.valToPos(at, "x", true);
    stroke(ctx, color, [2 * ratio, 3 * ratio], x, bbox.top, x, bbox.top + bbox.height);
  }
  ctx.restore();
}

function stroke(
  ctx: CanvasRenderingContext2D,
  color: string,
  dash: number[],
  ...[x1, y1, x2, y2]: [number, number, number, number]
): void {
  ctx.strokeStyle = color;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}

/** Return `#rrggbb` with an opacity; another notation stays as it is. */
function translucent(color: string, share: number): string {
  if (!/^#[0-9a-f]{6}$/i.test(color)) return color;
  return (
    color +
    Math.round(share * 255)
      .toString(16)
      .padStart(2, "0")
  );
}
