/** Dark or light: the reader's choice, else the system's. Charts draw again when it changes. */
import { useEffect, useState } from "preact/hooks";
import "./theme.css";

export type Theme = "dark" | "light";

const KEY = "etter-obs-theme";
const listeners = new Set<(theme: Theme) => void>();
let current: Theme = "dark";

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null; // storage is switched off
  }
}

/** Set the theme of the page: `?theme=light` in the address, else the stored one, else the system's. */
export function initTheme(): void {
  const asked = new URLSearchParams(location.search).get("theme");
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  apply(asked === "dark" || asked === "light" ? asked : (stored() ?? system));
}

function apply(theme: Theme): void {
  current = theme;
  document.documentElement.dataset.theme = theme;
  for (const listener of listeners) listener(theme);
}

export function toggleTheme(): void {
  apply(current === "dark" ? "light" : "dark");
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // the choice then lasts until the page is left
  }
}

export const currentTheme = (): Theme => current;

export function useTheme(): Theme {
  const [theme, setTheme] = useState(current);
  useEffect(() => {
    listeners.add(setTheme);
    return () => void listeners.delete(setTheme);
  }, []);
  return theme;
}

/** Return the value of a CSS variable, `colour("--text")`, for what is drawn on a canvas. */
export function colour(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

/** Return the colour of series number `index`, counted from 0. */
export function seriesColour(index: number): string {
  return colour(`--series-${(index % 8) + 1}`);
}

/** How a value is to be read; each has its colour and, beside it, always a word or a shape. */
export type Tone = "none" | "good" | "warn" | "bad";
