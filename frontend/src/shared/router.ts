/** The address after "#": `#/requests/42?level=error`. Every state of a page can be linked to. */
import { useEffect, useState } from "preact/hooks";

export interface Route {
  /** Without the leading slash: "requests/42"; empty for the first page. */
  path: string;
  query: URLSearchParams;
}

export type Query = Record<string, string | string[] | number | null | undefined> | URLSearchParams;

export function currentRoute(): Route {
  const hash = location.hash.replace(/^#\/?/, "");
  const mark = hash.indexOf("?");
  const path = mark < 0 ? hash : hash.slice(0, mark);
  return {
    path: path.split("/").map(decode).join("/"),
    query: new URLSearchParams(mark < 0 ? "" : hash.slice(mark + 1)),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone % in an address that someone typed
  }
}

/** Return the address of a page. A part that holds a slash must be encoded by the caller. */
export function hrefTo(path: string, query: Query = {}): string {
  const search = toSearch(query).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

export function navigate(path: string, query: Query = {}, { replace = false } = {}): void {
  const href = hrefTo(path, query);
  if (href === location.hash) return;
  if (replace) {
    history.replaceState(null, "", href);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = href;
  }
}

function toSearch(query: Query): URLSearchParams {
  if (query instanceof URLSearchParams) return query;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) search.append(name, String(each));
  }
  return search;
}

/** Return where the page is, and follow it. */
export function useRoute(): Route {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const follow = () => setRoute(currentRoute());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}
