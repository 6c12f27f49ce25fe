/** The frame of both pages: title, controls, navigation by mouse and keyboard, the list of keys. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "./layout.css";
import { hrefTo, navigate, type Query } from "./router";
import { toggleTheme, useTheme } from "./theme";

export interface Page {
  path: string;
  title: string;
}

export interface Key {
  /** As `KeyboardEvent.key` names it: "r", "Escape". */
  key: string;
  does: string;
  act: () => void;
}

interface LayoutProps {
  title: string;
  pages: Page[];
  /** The path of the page in view. */
  current: string;
  /** What links between the pages keep: variables, time range. */
  keep?: Query;
  /** What stands right of the title: filters, time range, state of the connection. */
  controls?: ComponentChildren;
  /** Keys beside those of the frame (1-9, /, t, ?). */
  keys?: Key[];
  children: ComponentChildren;
}

export function Layout({
  title,
  pages,
  current,
  keep,
  controls,
  keys = [],
  children,
}: LayoutProps) {
  const theme = useTheme();
  const help = useRef<HTMLDialogElement>(null);
  const main = useRef<HTMLElement>(null);
  const nav = useRef<HTMLElement>(null);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const page = /^[1-9]$/.test(event.key) ? pages[Number(event.key) - 1] : undefined;
      const own = keys.find((key) => key.key === event.key);
      if (page) navigate(page.path, keep);
      else if (own) own.act();
      else if (event.key === "t") toggleTheme();
      else if (event.key === "?") help.current?.showModal();
      else if (event.key === "/")
        main.current?.querySelector<HTMLElement>("[type=search]")?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [pages, keys, keep]);

  const page = pages.find((one) => one.path === current);
  useEffect(() => {
    document.title = page ? `${page.title} · ${title}` : title;
  }, [page, title]);
  useEffect(() => {
    const link = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (!nav.current || !link) return;
    // In the middle, where not all links are in view.
    nav.current.scrollLeft = link.offsetLeft - (nav.current.clientWidth - link.offsetWidth) / 2;
  }, [page]);

  return (
    <>
      <header class="bar">
        <div class="bar-row">
          <h1>{title}</h1>
          <div class="controls">{controls}</div>
          <div class="controls push">
            <button type="button" onClick={toggleTheme} title="t">
              {theme === "dark" ? "Light" : "Dark"}
            </button>
            <button type="button" onClick={() => help.current?.showModal()} title="?">
              Keys
            </button>
          </div>
        </div>
        <nav ref={nav} class="pages" aria-label="Pages">
          {pages.map((one) => (
            <a
              key={one.path}
              href={hrefTo(one.path, keep)}
              aria-current={one.path === current ? "page" : undefined}
            >
              {one.title}
            </a>
          ))}
        </nav>
      </header>
      <main ref={main} tabIndex={-1}>
        {children}
      </main>
      <dialog ref={help} aria-label="Keys">
        <h2>Keys</h2>
        <dl>
          {pages.slice(0, 9).map((one, index) => (
            <Described key={one.path} name={String(index + 1)} does={one.title} />
          ))}
          {keys.map((one) => (
            <Described key={one.key} name={one.key} does={one.does} />
          ))}
          <Described name="/" does="Search or filter" />
          <Described name="t" does="Dark or light" />
          <Described name="?" does="This list" />
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </>
  );
}

function Described({ name, does }: { name: string; does: string }) {
  return (
    <>
      <dt>
        <kbd>{name}</kbd>
      </dt>
      <dd>{does}</dd>
    </>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, select, textarea");
}

/** A titled box. `aside` stands at the right end of its title. */
export function Panel({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside && <div class="push">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** Why there is nothing to show. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}
