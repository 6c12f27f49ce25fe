/** The variables of a dashboard: what can be chosen, what is, and how it stands in the address. */
import { navigate } from "../shared";
import type { Dashboard, VariableModel } from "./model";
import { ALL, fill, type Scope } from "./scope";
import { promLabelValues } from "./sources";

export interface Choices {
  scope: Scope;
  /** What each variable offers. */
  offered: Record<string, string[]>;
}

const LABEL_VALUES = /^label_values\((.+), (\w+)\)$/;

/** Find what each variable offers, in their order: the later ones build on the earlier ones. */
export async function chosen(
  board: Dashboard,
  query: URLSearchParams,
  time: Pick<Scope, "from" | "to" | "range">,
): Promise<Choices> {
  const variables = board.templating.list.filter((one) => one.type !== "datasource");
  const scope: Scope = { variables, values: {}, ...time };
  const offered: Record<string, string[]> = {};
  for (const variable of variables) {
    const found = LABEL_VALUES.exec(variable.query);
    if (variable.type === "query" && found) {
      const series = fill(found[1] ?? "", scope);
      offered[variable.name] = await promLabelValues(series, found[2] ?? "", time.from, time.to);
    }
    scope.values[variable.name] = valuesOf(variable, query, offered[variable.name] ?? []);
  }
  return { scope, offered };
}

/** The address decides, else what the dashboard opens with where it is offered, else the first. */
function valuesOf(variable: VariableModel, query: URLSearchParams, offered: string[]): string[] {
  const asked = query.getAll(`var-${variable.name}`);
  if (asked.length) return asked;
  if (variable.type === "textbox") return [variable.query];
  const opens = [variable.current?.value ?? []].flat();
  if (opens.includes(ALL) || opens.some((one) => offered.includes(one))) return opens;
  return offered.slice(0, 1);
}

export function VariableBar({ choices, path }: { choices: Choices; path: string }) {
  const { scope, offered } = choices;
  const choose = (name: string, values: string[]) => {
    const query = addressOf(scope);
    query.delete(`var-${name}`);
    for (const value of values) query.append(`var-${name}`, value);
    navigate(path, query);
  };
  return (
    <>
      {scope.variables.map((variable) => {
        const values = scope.values[variable.name] ?? [];
        const title = variable.label ?? variable.name;
        if (variable.type === "textbox") {
          return (
            <label key={variable.name} class="variable">
              {title}
              <input
                type="search"
                value={values[0]}
                onChange={(event) => choose(variable.name, [event.currentTarget.value])}
              />
            </label>
          );
        }
        const options = [...new Set([...(offered[variable.name] ?? []), ...values])];
        return (
          <label key={variable.name} class="variable">
            {title}
            <select
              value={values[0]}
              onChange={(event) => choose(variable.name, [event.currentTarget.value])}
            >
              {variable.includeAll && <option value={ALL}>All</option>}
              {options
                .filter((one) => one !== ALL)
                .map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
            </select>
          </label>
        );
      })}
    </>
  );
}

/** What the address of this dashboard holds: every variable, and the time range. */
export function addressOf(scope: Scope): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, values] of Object.entries(scope.values)) {
    for (const value of values) query.append(`var-${name}`, value);
  }
  query.set("from", scope.range.from);
  query.set("to", scope.range.to);
  return query;
}
