/** One dashboard, drawn from its JSON: rows, panels where the grid puts them, marks. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Empty, formatTime, type Mark } from "../shared";
import { marksOf } from "./annotations";
import { useLoaded } from "./loading";
import type { Dashboard, PanelModel } from "./model";
import { HeatPanel } from "./panels/heat";
import { LinesPanel } from "./panels/lines";
import { LogsPanel } from "./panels/logs";
import { type PanelProps, sourceOf } from "./panels/question";
import { StatPanel } from "./panels/stat";
import { StatesPanel } from "./panels/states";
import { TablePanel, TracesPanel } from "./panels/table";
import { fill, link, type Scope, spanSeconds } from "./scope";
import type { Settings } from "./sources";

const ROW_PIXELS = 36;

interface BoardProps {
  board: Dashboard;
  scope: Scope;
  settings: Settings;
  onZoom: (from: number, to: number) => void;
}

export function Board({ board, scope, settings, onZoom }: BoardProps) {
  const { value: marks = [], error } = useLoaded(() => marksOf(board, scope), [board, scope]);
  return (
    <>
      {error && <p class="bad">Annotations: {error}</p>}
      {marks.length > 0 && <Marks marks={marks} />}
      {rowsOf(board).map((row) => (
        <Row key={row.title} row={row} parts={{ scope, settings, onZoom }} marks={marks} />
      ))}
    </>
  );
}

interface RowModel {
  title: string;
  collapsed: boolean;
  panels: PanelModel[];
}

function rowsOf(board: Dashboard): RowModel[] {
  const rows: RowModel[] = [];
  for (const panel of board.panels) {
    if (panel.type === "row") {
      const { title, collapsed = false, panels = [] } = panel;
      rows.push({ title, collapsed, panels: [...panels] });
    } else {
      rows[rows.length - 1]?.panels.push(panel);
    }
  }
  return rows;
}

type Parts = Pick<PanelProps, "scope" | "settings" | "onZoom">;

/** A collapsed row asks nothing until it is opened. */
function Row({ row, parts, marks }: { row: RowModel; parts: Parts; marks: Mark[] }) {
  const [open, setOpen] = useState(!row.collapsed);
  const top = Math.min(...row.panels.map((panel) => panel.gridPos.y));
  return (
    <section class="board-row">
      <h2>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span aria-hidden="true">{open ? "▾" : "▸"}</span> {fill(row.title, parts.scope)}
        </button>
      </h2>
      {open && (
        <div class="board-grid">
          {row.panels.map((panel) => (
            <PanelBox key={panel.id} panel={panel} parts={parts} marks={marks} top={top} />
          ))}
        </div>
      )}
    </section>
  );
}

interface PanelBoxProps {
  panel: PanelModel;
  parts: Parts;
  marks: Mark[];
  /** The grid row in which this row of panels begins. */
  top: number;
}

function PanelBox({ panel, parts, marks, top }: PanelBoxProps) {
  const { x, y, w, h } = panel.gridPos;
  const box = useRef<HTMLElement>(null);
  const seen = useSeen(box);
  const scope = panel.timeFrom ? lately(parts.scope, panel.timeFrom) : parts.scope;
  const place = { "--column": `${x + 1} / span ${w}`, "--row": `${y - top + 1} / span ${h}` };
  const title = fill(panel.title, scope);
  const height = h * ROW_PIXELS - 54;
  const props = { ...parts, panel, scope, height };
  return (
    <section
      ref={box}
      class={`panel board-panel kind-${panel.type}`}
      aria-label={title}
      style={{ ...place, "--tall": `${h * ROW_PIXELS}px` }}
    >
      <header>
        <h3>{title}</h3>
        {panel.timeFrom && <span class="faint">last {panel.timeFrom}</span>}
        <About panel={panel} scope={scope} title={title} />
      </header>
      <div class="board-content">{seen ? <Content props={props} marks={marks} /> : null}</div>
    </section>
  );
}

/** Whether the panel has been in view: what nobody looks at asks nothing. */
function useSeen(box: { current: HTMLElement | null }): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!box.current) return;
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true),
      { rootMargin: "400px" },
    );
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return seen;
}

const lately = (scope: Scope, span: string): Scope => ({
  ...scope,
  from: scope.to - spanSeconds(span),
});

function Content({ props, marks }: { props: PanelProps; marks: Mark[] }) {
  const { panel, settings } = props;
  const first = panel.targets?.[0];
  const kind = first ? sourceOf(panel, first) : "prometheus";
  if (kind === "loki" && !settings.sources.loki)
    return <Empty>no Loki; name one with --loki</Empty>;
  if (kind === "tempo") return <TracesPanel {...props} />;
  if (panel.type === "stat") return <StatPanel {...props} />;
  if (panel.type === "timeseries") return <LinesPanel {...props} marks={marks} />;
  if (panel.type === "table") return <TablePanel {...props} />;
  if (panel.type === "logs") return <LogsPanel {...props} />;
  if (panel.type === "heatmap") return <HeatPanel {...props} />;
  if (panel.type === "state-timeline") return <StatesPanel {...props} />;
  return <Empty>The viewer does not draw panels of the kind {panel.type}.</Empty>;
}

/** What a panel shows, what to do when it is red, and where it leads. */
function About({ panel, scope, title }: { panel: PanelModel; scope: Scope; title: string }) {
  const links = panel.links ?? [];
  return (
    <details class="about push">
      <summary aria-label={`About ${title}`}>⋯</summary>
      <div class="about-text">
        {(panel.description ?? "").split("\n\n").map((paragraph) => (
          <p key={paragraph}>{paragraph.replaceAll("**", "")}</p>
        ))}
        {links.length > 0 && (
          <ul>
            {links.map((one) => (
              <li key={one.title}>
                <a href={link(one.url, scope)}>{fill(one.title, scope)}</a>
              </li>
            ))}
          </ul>
        )}
      </div>
    </details>
  );
}

/** The marks in words; in the graphs they are dotted lines of the same colours. */
function Marks({ marks }: { marks: Mark[] }) {
  return (
    <details class="marks">
      <summary>
        {marks.length} {marks.length === 1 ? "event" : "events"} in this time, dotted in the graphs
      </summary>
      <ul>
        {marks.map((mark) => (
          <li key={`${mark.at} ${mark.text}`}>
            <span class="swatch" style={{ background: mark.color }} />
            {formatTime(mark.at * 1000, { millis: false })} {mark.text}
          </li>
        ))}
      </ul>
    </details>
  );
}
