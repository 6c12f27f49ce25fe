/** The state at a glance: traffic, failures, latency, budgets. */
import {
  formatAgo,
  formatNumber,
  formatPercent,
  hrefTo,
  Panel,
  Stat,
  TimeSeries,
  type Tone,
} from "../shared";
import type { Overview, Slo } from "./api";

const SPARK = 60;

export function OverviewPage({ overview }: { overview: Overview }) {
  const { history, slos } = overview;
  const course = (name: string) => history.values[name] ?? [];
  const last = (name: string) => course(name).at(-1) ?? null;
  const spark = (name: string) => course(name).slice(-SPARK);
  const requests = last("requests");
  const errors = last("errors");
  const share = requests && errors !== null ? errors / requests : requests === null ? null : 0;
  return (
    <>
      <div class="stats">
        <Stat
          title="Requests"
          value={requests}
          unit="reqps"
          spark={spark("requests")}
          href={hrefTo("requests")}
        />
        <Stat
          title="Server errors"
          value={share}
          unit="percentunit"
          tone={share === null ? "none" : share > 0 ? "bad" : "good"}
          spark={spark("errors")}
          href={hrefTo("requests", { only: "failed" })}
        />
        <Stat
          title="p95"
          value={last("p95")}
          unit="s"
          spark={spark("p95")}
          href={hrefTo("requests", { only: "slow" })}
        />
        <Stat title="In flight" value={last("in_flight")} spark={spark("in_flight")} />
        <Stat
          title="Event loop lag, p99"
          value={last("lag")}
          unit="s"
          spark={spark("lag")}
          href={hrefTo("runtime")}
        />
      </div>
      <h2 class="section">
        Error budgets <span class="faint">since {formatAgo(overview.since * 1000)}</span>
      </h2>
      <div class="slos">
        {[...slos].sort(byUrgency).map((slo) => (
          <SloCard key={slo.name} slo={slo} />
        ))}
      </div>
      <div class="charts">
        <Panel title="Requests and server errors">
          <TimeSeries
            label="Requests and server errors per second"
            times={history.at}
            unit="reqps"
            min={0}
            group="overview"
            series={[
              { name: "requests", values: course("requests"), fill: 0.1 },
              { name: "server errors", values: course("errors"), dashed: true },
            ]}
          />
        </Panel>
        <Panel title="Latency">
          <TimeSeries
            label="Latency, estimated from buckets"
            times={history.at}
            unit="s"
            min={0}
            group="overview"
            series={[50, 95, 99].map((q) => ({ name: `p${q}`, values: course(`p${q}`) }))}
          />
        </Panel>
      </div>
    </>
  );
}

/** How an SLO is to be read, and the word for it. */
export function stateOf(slo: Slo): { tone: Tone; word: string } {
  if (!slo.counted) return { tone: "none", word: "Prometheus only" };
  const left = slo.budget_left ?? null;
  if (left === null) return { tone: "none", word: "no events" };
  const short = slo.burn?.["5m"] ?? 0;
  const long = slo.burn?.["1h"] ?? 0;
  if (short >= slo.page_at && long >= slo.page_at) return { tone: "bad", word: "burning fast" };
  if (left < 0) return { tone: "bad", word: "spent" };
  if (short > 1) return { tone: "warn", word: "burning" };
  return { tone: "good", word: "kept" };
}

const URGENCY: Record<Tone, number> = { bad: 0, warn: 1, good: 2, none: 3 };

function byUrgency(a: Slo, b: Slo): number {
  return (
    URGENCY[stateOf(a).tone] - URGENCY[stateOf(b).tone] ||
    (a.budget_left ?? 2) - (b.budget_left ?? 2)
  );
}

function SloCard({ slo }: { slo: Slo }) {
  const { tone, word } = stateOf(slo);
  const left = slo.budget_left ?? null;
  return (
    <a class={`panel slo tone-${tone}`} href={hrefTo(`slo/${encodeURIComponent(slo.name)}`)}>
      <span class="slo-head">
        <strong>{slo.name}</strong>
        <span class={tone}>{word}</span>
      </span>
      <span class="slo-head">
        <span class={`slo-left ${tone}`}>{budgetText(left)}</span>
        <span class="faint">{formatPercent(slo.objective)} objective</span>
      </span>
      <BudgetBar left={left} tone={tone} />
      <span class="faint">
        {left === null ? (
          slo.description
        ) : (
          <>
            burn {formatNumber(slo.burn?.["5m"] ?? null)}× in 5 min,{" "}
            {formatNumber(slo.burn?.["1h"] ?? null)}× in 1 h
            {slo.eaten_by?.[0] && ` · most by ${slo.eaten_by[0].part}`}
          </>
        )}
      </span>
    </a>
  );
}

export function BudgetBar({ left, tone }: { left: number | null; tone: Tone }) {
  const share = left === null ? 0 : Math.max(0, Math.min(1, left));
  return (
    <span class="track" aria-hidden="true">
      <span class={`track-fill tone-${tone}`} style={{ width: `${share * 100}%` }} />
    </span>
  );
}

/** The budget in words: one that is overspent a hundredfold says so, and not -9900 %. */
export function budgetText(left: number | null): string {
  if (left === null) return "–";
  if (left < 0) return `${formatNumber(1 - left)}× spent`;
  return `${formatPercent(left)} left`;
}
