/** Runs a question, and again when what it depends on changes; the last answer stays meanwhile. */
import { useEffect, useState } from "preact/hooks";

export interface Loaded<T> {
  value?: T;
  error?: string;
}

export function useLoaded<T>(ask: () => T | Promise<T>, dependsOn: unknown[]): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({});
  useEffect(() => {
    let current = true;
    Promise.resolve()
      .then(ask)
      .then(
        (value) => current && setLoaded({ value }),
        (error) => current && setLoaded({ error: String(error?.message ?? error) }),
      );
    return () => {
      current = false;
    };
  }, dependsOn);
  return loaded;
}
