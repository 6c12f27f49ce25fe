/** The two colour scales of the dashboards: continuous-YlBl for series, Cividis for heat maps. */
import { currentTheme } from "../shared";

type Rgb = [number, number, number];

const YELLOW: Record<string, Rgb> = { dark: [255, 248, 153], light: [166, 134, 0] };
const BLUE: Rgb = [58, 128, 224];
const CIVIDIS: Rgb[] = [
  [0, 34, 78],
  [35, 62, 108],
  [87, 93, 109],
  [124, 123, 120],
  [165, 156, 116],
  [210, 193, 97],
  [254, 232, 56],
];

/** Return the colour of a series by its highest value, as a share of the highest of all. */
export function byValue(share: number): string {
  return hex(between(YELLOW[currentTheme()] ?? BLUE, BLUE, share));
}

/** Return the colour of a cell, 0 to 1. */
export function cividis(share: number): string {
  const place = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const below = Math.min(CIVIDIS.length - 2, Math.floor(place));
  return hex(between(CIVIDIS[below] ?? BLUE, CIVIDIS[below + 1] ?? BLUE, place - below));
}

const between = (from: Rgb, to: Rgb, share: number): Rgb =>
  from.map((one, index) => one + ((to[index] ?? one) - one) * share) as Rgb;

const hex = (rgb: Rgb): string =>
  `#${rgb.map((one) => Math.round(one).toString(16).padStart(2, "0")).join("")}`;
