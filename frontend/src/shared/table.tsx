/** A table that sorts by any column, by mouse and by keyboard. */
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { formatValue } from "./format";
import { Empty } from "./layout";
import "./table.css";
import type { Tone } from "./theme";

export interface Column<Row> {
  key: string;
  title: string;
  /** What it is sorted by, and what is shown where there is no `render`. */
  value: (row: Row) => number | string | null;
  unit?: string | undefined;
  decimals?: number | undefined;
  tone?: ((row: Row) => Tone) | undefined;
  render?: ((row: Row) => ComponentChildren) | undefined;
}

export interface Sort {
  key: string;
  descending: boolean;
}

interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  initialSort?: Sort | undefined;
  /** What the whole row opens; the first column must then be a link for the keyboard. */
  onOpen?: ((row: Row) => void) | undefined;
  selected?: string | undefined;
  empty?: string;
}

export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, rowKey, initialSort, onOpen, selected } = props;
  const [sort, setSort] = useState<Sort | undefined>(initialSort);
  const ordered = useMemo(() => {
    const column = columns.find((one) => one.key === sort?.key);
    return sort && column ? sorted(rows, column.value, sort.descending) : rows;
  }, [rows, columns, sort]);
  if (!rows.length) return <Empty>{props.empty ?? "no data in this time"}</Empty>;
  return (
    // A region that scrolls must be reachable by keyboard.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
    <section class="table-scroll" aria-label={label} tabIndex={0}>
      <table class="data">
        <thead>
          <tr>
            {columns.map((column) => {
              const sorts = sort?.key === column.key ? sort : undefined;
              const order = sorts?.descending ? "descending" : "ascending";
              return (
                <th
                  key={column.key}
                  scope="col"
                  class={isNumeric(column) ? "right" : ""}
                  aria-sort={sorts ? order : "none"}
                >
                  <button
                    type="button"
                    onClick={() =>
                      setSort({
                        key: column.key,
                        descending: sorts ? !sorts.descending : isNumeric(column),
                      })
                    }
                  >
                    {column.title}
                    {sorts && <span aria-hidden="true">{sorts.descending ? " ▾" : " ▴"}</span>}
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {ordered.map((row) => (
            <tr
              key={rowKey(row)}
              class={onOpen ? "opens" : ""}
              aria-selected={selected === undefined ? undefined : selected === rowKey(row)}
              onClick={
                onOpen &&
                ((event) => {
                  if (!(event.target as Element).closest("a, button")) onOpen(row);
                })
              }
            >
              {columns.map((column) => (
                <td key={column.key} class={isNumeric(column) ? "right" : ""}>
                  <Cell column={column} row={row} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Cell<Row>({ column, row }: { column: Column<Row>; row: Row }) {
  const tone = column.tone?.(row) ?? "none";
  const value = column.value(row);
  const shown =
    column.render?.(row) ??
    (typeof value === "number" ? formatValue(value, column.unit, column.decimals) : (value ?? "–"));
  return tone === "none" ? shown : <span class={`badge tone-${tone}`}>{shown}</span>;
}

const isNumeric = <Row,>(column: Column<Row>): boolean => column.unit !== undefined;

/** Order rows by a value; those without one come last either way. */
function sorted<Row>(
  rows: Row[],
  value: (row: Row) => number | string | null,
  descending: boolean,
): Row[] {
  const missing = (one: number | string | null) =>
    one === null || (typeof one === "number" && Number.isNaN(one));
  return [...rows].sort((first, second) => {
    const [a, b] = [value(first), value(second)];
    if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
    const order =
      typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return descending ? -order : order;
  });
}
