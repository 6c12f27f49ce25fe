/** `etter-obs view`: the generated dashboards against Prometheus, Loki and a trace store. */
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Empty, initTheme, type Key, Layout, navigate, useRoute } from "../shared";
import { AlertsPage } from "./alerts";
import { Board } from "./board";
import { useLoaded } from "./loading";
import type { Dashboard } from "./model";
import { RunbookPage } from "./runbook";
import { momentOf, spanSeconds } from "./scope";
import { get, type Settings } from "./sources";
import { TimeRange } from "./time_range";
import { TracePage } from "./trace";
import { addressOf, chosen, VariableBar } from "./variables";
import "./view.css";

const ALERTS = { path: "", title: "Alerts" };

function App() {
  const { value: settings, error } = useLoaded(() => get<Settings>("api/settings"), []);
  if (error) return <Empty>{error}</Empty>;
  return settings ? <Viewer settings={settings} /> : <Empty>…</Empty>;
}

function Viewer({ settings }: { settings: Settings }) {
  const { path, query } = useRoute();
  const [tick, setTick] = useState(0);
  const refresh = () => setTick((before) => before + 1);
  const [kind, name = ""] = path.split("/");
  const board = useLoaded(
    async () => (kind === "d" ? get<Dashboard>(`api/boards/${encodeURIComponent(name)}`) : null),
    [kind, name],
  ).value;
  const shown = board?.uid === name ? board : null;
  const address = query.toString();
  const choices = useLoaded(async () => {
    if (!shown) return null;
    const range = {
      from: query.get("from") ?? shown.time.from,
      to: query.get("to") ?? shown.time.to,
    };
    const now = Date.now() / 1000;
    const time = { range, from: momentOf(range.from, now), to: momentOf(range.to, now) };
    return { uid: shown.uid, ...(await chosen(shown, query, time)) };
  }, [shown, address, tick]);
  const ready = choices.value?.uid === name ? choices.value : null;

  const live = !query.get("to") || query.get("to") === "now";
  const every = spanSeconds(shown?.refresh ?? "30s");
  useEffect(() => {
    if (!live || !every) return;
    const timer = setInterval(() => unwatched() || refresh(), every * 1000);
    return () => clearInterval(timer);
  }, [live, every]);

  const pages = useMemo(
    () => [ALERTS, ...settings.boards.map(({ uid, title }) => ({ path: `d/${uid}`, title }))],
    [settings],
  );
  const keys = useMemo<Key[]>(() => [{ key: "r", does: "Refresh", act: refresh }], []);
  const choose = (from: string, to: string) => {
    if (!ready) return;
    const next = addressOf(ready.scope);
    next.set("from", from);
    next.set("to", to);
    navigate(path, next);
  };
  const zoom = (from: number, to: number) =>
    choose(String(Math.round(from * 1000)), String(Math.round(to * 1000)));
  return (
    <Layout
      title="etter-obs view"
      pages={pages}
      current={path}
      keep={ready ? keptOf(addressOf(ready.scope)) : keptOf(query)}
      keys={keys}
      controls={
        <>
          {ready && <VariableBar choices={ready} path={path} />}
          {ready && <TimeRange range={ready.scope.range} onChoose={choose} />}
          <button type="button" onClick={refresh} title="r">
            Refresh
          </button>
        </>
      }
    >
      {kind === "" && <AlertsPage tick={tick} settings={settings} />}
      {kind === "trace" && <TracePage id={name} settings={settings} />}
      {kind === "runbook" && <RunbookPage name={name} section={query.get("section")} />}
      {choices.error && <Empty>{choices.error}</Empty>}
      {shown && ready && (
        <Board key={name} board={shown} scope={ready.scope} settings={settings} onZoom={zoom} />
      )}
    </Layout>
  );
}

/** Nobody looks, or the sources still answer the last questions: more would only pile up. */
const unwatched = () => document.hidden || document.body.ariaBusy === "true";

/** What links between the pages keep: the service, its environment, and a range that was chosen. */
function keptOf(address: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const name of ["var-service", "var-environment"]) {
    for (const value of address.getAll(name)) kept.append(name, value);
  }
  return kept;
}

initTheme();
const root = document.getElementById("app");
if (root) render(<App />, root);
