/** What the expressions of a dashboard are filled in with: variables and the time in view. */
import type { VariableModel } from "./model";

export const ALL = "$__all";
const SCRAPE = 15; // seconds; the data source's `timeInterval`

export interface Scope {
  variables: VariableModel[];
  /** The chosen values of each variable; ALL stands for all. */
  values: Record<string, string[]>;
  /** Seconds since 1970. */
  from: number;
  to: number;
  /** As the address has them: "now-1h". */
  range: { from: string; to: string };
}

/** Seconds between two points, for a panel so many pixels wide. */
export function stepOf(scope: Scope, width = 500): number {
  const steps = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];
  const least = (scope.to - scope.from) / Math.max(100, width);
  return steps.find((step) => step >= least) ?? 43200;
}

const VARIABLE = /\$\{([\w.]+)(?::(\w+))?\}|\$(\w+)/g;

/** Fill in an expression of PromQL, LogQL or TraceQL. */
export function fill(text: string, scope: Scope, step = SCRAPE): string {
  return text.replace(VARIABLE, (whole, braced?: string, format?: string, bare?: string) => {
    const name = braced ?? bare ?? "";
    if (name === "__interval" || name === "__auto") return `${step}s`;
    if (name === "__rate_interval") return `${Math.max(step + SCRAPE, 4 * SCRAPE)}s`;
    if (name === "__range") return `${Math.round(scope.to - scope.from)}s`;
    const values = scope.values[name];
    return values ? inQuery(values, variable(scope, name), format) : whole;
  });
}

const variable = (scope: Scope, name: string) => scope.variables.find((one) => one.name === name);

/** A variable of many stands within a regular expression; in PromQL also within a string. */
function inQuery(values: string[], model: VariableModel | undefined, format?: string): string {
  if (values.includes(ALL)) return model?.allValue ?? ".*";
  if (!model?.multi && format !== "regex") return values[0] ?? "";
  const escaped = values.map((value) =>
    value.replace(/[$^*{}[\]'+?.()|\\]/g, format === "regex" ? "\\$&" : "\\\\$&"),
  );
  return escaped.length === 1 ? (escaped[0] ?? "") : `(${escaped.join("|")})`;
}

/** Fill in the address of a link, and turn it into one of this page. */
export function link(url: string, scope: Scope, field: Record<string, string> = {}): string {
  const filled = url.replace(VARIABLE, (whole, braced?: string, format?: string, bare?: string) => {
    const name = braced ?? bare ?? "";
    if (name === "__url_time_range") return `from=${scope.range.from}&to=${scope.range.to}`;
    if (name in field) return encodeURIComponent(field[name] ?? "");
    const values = scope.values[name];
    if (!values) return whole;
    if (format !== "queryparam") return encodeURIComponent(values[0] ?? "");
    return values.map((value) => `var-${name}=${encodeURIComponent(value)}`).join("&");
  });
  return local(filled);
}

/** Turn an address of Grafana into one of this page; another stays as it is. */
export function local(url: string): string {
  const { pathname, search, hash } = new URL(url, "http://grafana");
  const runbook = /^\/public\/runbooks\/(\w+)\.md$/.exec(pathname);
  if (runbook) {
    const section = hash ? `?section=${encodeURIComponent(decodeURIComponent(hash.slice(1)))}` : "";
    return `#/runbook/${runbook[1]}${section}`;
  }
  return pathname.startsWith("/d/") ? `#${pathname}${search}` : url;
}

/** Fill in `{{label}}` of a legend or an annotation. */
export function named(format: string, labels: Record<string, string>): string {
  return format
    .replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, label: string) => labels[label] ?? "")
    .trim();
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** Return the seconds of "90s", "30m", "6h", "7d"; NaN for anything else. */
export function spanSeconds(text: string): number {
  const found = /^(\d+)([smhdw])$/.exec(text);
  return found ? Number(found[1]) * (UNITS[found[2] ?? ""] ?? Number.NaN) : Number.NaN;
}

/** Return seconds since 1970 of "now", "now-6h", milliseconds, or a date. */
export function momentOf(text: string, now: number): number {
  if (text === "now") return now;
  if (text.startsWith("now-")) return now - (spanSeconds(text.slice(4)) || 0);
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isNaN(ms) ? now : ms / 1000;
}
