/** The console of one app. */
import { render } from "preact";
import { useState } from "preact/hooks";
import { Empty, initTheme, Layout, navigate, useRoute } from "../shared";
import { useOverview } from "./api";
import "./console.css";
import { HealthPage } from "./health";
import { LogsPage } from "./logs";
import { OverviewPage } from "./overview";
import { RequestPage } from "./request";
import { RequestsPage } from "./requests";
import { RoutesPage } from "./routes";
import { RuntimePage } from "./runtime";
import { SloPage } from "./slo";

const PAGES = [
  { path: "", title: "Overview" },
  { path: "routes", title: "Routes" },
  { path: "requests", title: "Requests" },
  { path: "logs", title: "Logs" },
  { path: "health", title: "Health" },
  { path: "runtime", title: "Runtime" },
];

function App() {
  const { path, query } = useRoute();
  const [paused, setPaused] = useState(false);
  const { overview, error } = useOverview(paused);
  const [page = "", ...rest] = path.split("/");
  const rest_ = rest.join("/");
  const silent = overview?.workers.filter((worker) => !worker.answers) ?? [];
  const up = () => navigate(page === "slo" ? "" : page);
  return (
    <Layout
      title={overview ? `${overview.service} · ${overview.environment}` : "etter-obs console"}
      pages={PAGES}
      current={page === "slo" ? "" : page}
      keys={[
        { key: "p", does: paused ? "Go on" : "Pause", act: () => setPaused(!paused) },
        { key: "u", does: "Up: from one request or SLO to the list", act: up },
      ]}
      controls={
        <>
          <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)} title="p">
            {paused ? "Paused" : "Live"}
          </button>
          {overview && overview.workers.length > 1 && (
            <span class="faint">{overview.workers.length} workers</span>
          )}
          {silent.length > 0 && (
            <span class="bad" role="status">
              ✕ no answer from worker {silent.map((worker) => worker.pid).join(", ")}
            </span>
          )}
          {error && (
            <span class="bad" role="status">
              ✕ {error}
            </span>
          )}
        </>
      }
    >
      {overview === null ? (
        <Empty>{error || "asking the app…"}</Empty>
      ) : page === "" ? (
        <OverviewPage overview={overview} />
      ) : page === "slo" ? (
        <SloPage overview={overview} name={rest_} />
      ) : page === "routes" ? (
        <RoutesPage overview={overview} query={query} />
      ) : page === "requests" && rest_ ? (
        <RequestPage key={rest_} requestKey={rest_} />
      ) : page === "requests" ? (
        <RequestsPage overview={overview} query={query} paused={paused} />
      ) : page === "logs" ? (
        <LogsPage query={query} paused={paused} />
      ) : page === "health" ? (
        <HealthPage paused={paused} />
      ) : page === "runtime" ? (
        <RuntimePage overview={overview} query={query} />
      ) : (
        <Empty>There is no page {path}.</Empty>
      )}
    </Layout>
  );
}

initTheme();
const root = document.getElementById("app");
if (root) render(<App />, root);
