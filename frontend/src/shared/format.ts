/** Numbers as people read them. Units are Grafana's ids: s, percentunit, bytes, Bps, reqps, … */

const DURATIONS: [number, string][] = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
  [1e-3, "ms"],
  [1e-6, "µs"],
];
const BYTES: [number, string][] = [
  [2 ** 40, "TiB"],
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
  [1, "B"],
];
const COUNTS: [number, string][] = [
  [1e9, " Bil"],
  [1e6, " Mil"],
  [1e3, " K"],
  [1, ""],
];
const PER_SECOND: Record<string, string> = {
  reqps: " req/s",
  cps: "/s",
  ops: " ops/s",
  rowsps: " rows/s",
};

/** Return a value in its unit, short enough for an axis; "–" where there is none. */
export function formatValue(value: number | null, unit = "none", decimals?: number): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (unit === "percentunit") return `${short(value * 100, decimals)}%`;
  if (unit === "percent") return `${short(value, decimals)}%`;
  if (unit === "s") return scaled(value, DURATIONS, decimals);
  if (unit === "ms") return scaled(value / 1000, DURATIONS, decimals);
  if (unit === "bytes") return scaled(value, BYTES, decimals);
  if (unit === "Bps") return `${scaled(value, BYTES, decimals)}/s`;
  return scaled(value, COUNTS, decimals) + (PER_SECOND[unit] ?? "");
}

export const formatNumber = (value: number | null, decimals?: number): string =>
  formatValue(value, "none", decimals);

/** Return a ratio as a percentage: 0.25 is 25%. */
export const formatPercent = (ratio: number | null, decimals?: number): string =>
  formatValue(ratio, "percentunit", decimals);

/** Return seconds in their largest fitting unit: 0.0042 is 4.2ms. */
export const formatDuration = (seconds: number | null, decimals?: number): string =>
  formatValue(seconds, "s", decimals);

export const formatBytes = (bytes: number | null, decimals?: number): string =>
  formatValue(bytes, "bytes", decimals);

function scaled(value: number, scale: [number, string][], decimals?: number): string {
  if (value === 0) return `0${scale === BYTES ? "B" : scale === DURATIONS ? "s" : ""}`;
  const last = scale[scale.length - 1] as [number, string];
  const [size, name] = scale.find(([least]) => Math.abs(value) >= least) ?? last;
  return short(value / size, decimals) + name;
}

function short(value: number, decimals?: number): string {
  if (decimals !== undefined) {
    const text = value.toFixed(decimals);
    return Number(text) === 0 ? text.replace("-", "") : text;
  }
  if (Math.abs(value) >= 1000) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}

const pad = (value: number, places = 2): string => String(value).padStart(places, "0");

/** Return the local time of `ms` since 1970: 14:03:07.123, with the date where it is another day's. */
export function formatTime(ms: number, { millis = true, now = Date.now() } = {}): string {
  const at = new Date(ms);
  const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  const time = millis ? `${clock}.${pad(at.getMilliseconds(), 3)}` : clock;
  if (at.toDateString() === new Date(now).toDateString()) return time;
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}

/** Return how long ago `ms` was: "12s ago". */
export function formatAgo(ms: number, now = Date.now()): string {
  return `${formatDuration(Math.max(0, Math.round((now - ms) / 1000)))} ago`;
}
