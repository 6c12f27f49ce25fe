/** One SLO: its budget over time, its burn rates, what spends the budget. */
import {
  Empty,
  formatNumber,
  formatPercent,
  hrefTo,
  Panel,
  Stat,
  Table,
  TimeSeries,
} from "../shared";
import type { Overview } from "./api";
import { budgetText, stateOf } from "./overview";

export function SloPage({ overview, name }: { overview: Overview; name: string }) {
  const slo = overview.slos.find((one) => one.name === name);
  if (!slo) return <Empty>There is no SLO {name}.</Empty>;
  const { tone, word } = stateOf(slo);
  const total = slo.total ?? 0;
  const bad = slo.bad ?? 0;
  return (
    <>
      <h2 class="section">
        <a href={hrefTo("")}>Overview</a> / {slo.name} <span class={tone}>{word}</span>
      </h2>
      <p>{slo.description}</p>
      {slo.counted ? (
        <>
          <div class="stats">
            <Stat
              title="Budget since the start"
              value={slo.budget_left ?? null}
              unit="percentunit"
              tone={tone}
              note={budgetText(slo.budget_left ?? null)}
            />
            <Stat
              title={slo.unit === "events" ? "Bad events" : "Bad time slices"}
              value={bad}
              note={`of ${formatNumber(total)}; ${formatPercent(1 - slo.objective)} may be bad`}
            />
            {Object.entries(slo.burn ?? {}).map(([window, rate]) => (
              <Stat
                key={window}
                title={`Burn rate, ${window}`}
                value={rate}
                note={`pages at ${slo.page_at}`}
                tone={
                  rate === null ? "none" : rate >= slo.page_at ? "bad" : rate > 1 ? "warn" : "good"
                }
              />
            ))}
            {slo.current !== null && <Stat title="Current value" value={slo.current} />}
          </div>
          <div class="charts">
            <Panel title="Budget left">
              <TimeSeries
                label="Share of the error budget that is left"
                times={overview.history.at}
                unit="percentunit"
                series={[
                  { name: "left", values: overview.history.slos[slo.name] ?? [], fill: 0.1 },
                ]}
                thresholds={[{ value: 0, color: "var(--bad)" }]}
              />
            </Panel>
            <Panel title="What spends it">
              <Table
                label="Bad events by part"
                rowKey={(row) => row.part}
                rows={slo.eaten_by ?? []}
                initialSort={{ key: "bad", descending: true }}
                empty={bad ? "no label tells the bad events apart" : "nothing yet"}
                columns={[
                  {
                    key: "part",
                    title: "part",
                    value: (row) => row.part,
                    render: (row) =>
                      row.part.startsWith("/") ? (
                        <a
                          href={hrefTo("requests", {
                            route: row.part,
                            only: slo.kind === "latency" ? "slow" : null,
                            status: slo.kind === "requests" ? "errors" : null,
                          })}
                        >
                          {row.part}
                        </a>
                      ) : (
                        row.part
                      ),
                  },
                  { key: "bad", title: "bad", unit: "none", value: (row) => row.bad },
                  {
                    key: "share",
                    title: "share",
                    unit: "percentunit",
                    value: (row) => (bad ? row.bad / bad : null),
                  },
                ]}
              />
            </Panel>
          </div>
        </>
      ) : (
        <Empty>
          The app cannot count this SLI by itself: it reads a host, other metrics or PromQL.
          Prometheus evaluates it.
        </Empty>
      )}
    </>
  );
}
