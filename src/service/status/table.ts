import { onOneLine } from "../../errors.ts";
import type { Entry } from "./entry.ts";
import { columns, fit, fold, pad, width } from "./text.ts";

const green = "\x1b[32m";
const red = "\x1b[31m";
const dim = "\x1b[2m";
const plain = "\x1b[0m";

/** Blanks between two columns, and before a line that belongs to the one above it. */
const gap = 2;
const indent = 4;

interface Row {
  name: string;
  state: string;
  pid: string;
  connections: string;
  addresses: string[];
}

/** A line for each, and below it what there is no column for; no line is wider than 80 columns. */
export function table(entries: Entry[], colour: boolean): string {
  const paint = (text: string, code: string) => (colour ? `${code}${text}${plain}` : text);
  const header: Row = {
    name: "SERVICE",
    state: "STATE",
    pid: "PID",
    connections: "CONNECTIONS",
    addresses: ["ADDRESSES"],
  };
  const widths = widthsOf([header, ...entries.map(rowOf)]);
  const line = (row: Row, stateColour: string | null) => {
    const state = pad(fit(row.state, widths.state), widths.state);
    const cells = [
      pad(fit(row.name, widths.name), widths.name),
      stateColour === null ? state : paint(state.trimEnd(), stateColour) + state.slice(state.trimEnd().length),
      " ".repeat(widths.pid - columns(row.pid)) + row.pid,
      pad(row.connections, widths.connections),
      some(row.addresses, widths.addresses),
    ];
    return cells.join(" ".repeat(gap)).trimEnd();
  };
  return [
    paint(line(header, null), dim),
    ...entries.flatMap((entry) => [line(rowOf(entry), entry.works ? green : red), ...besides(entry)]),
  ].join("\n");
}

function rowOf({ name, state, pid, status, addresses }: Entry): Row {
  return {
    name: name ?? "(no service)",
    state,
    pid: pid === null ? "-" : String(pid),
    connections: status === null ? "-" : connectionsOf(status.connections),
    addresses: addresses.length > 0 ? addresses : ["-"],
  };
}

function connectionsOf({ now, waiting, atCapacity }: { now: number; waiting: number; atCapacity: boolean }): string {
  const notes = [...(waiting > 0 ? [`${waiting} waiting`] : []), ...(atCapacity ? ["full"] : [])];
  return notes.length === 0 ? String(now) : `${now} (${notes.join(", ")})`;
}

/** As many addresses as so many columns hold, and how many more there are; the first one always, if need be cut. */
function some(addresses: string[], most: number): string {
  for (let count = addresses.length; count > 0; count--) {
    const rest = addresses.length - count;
    const text = onOneLine([...addresses.slice(0, count), ...(rest > 0 ? [`+${rest}`] : [])].join(", "));
    if (columns(text) <= most || count === 1) return fit(text, most);
  }
  return "";
}

/** Each as wide as its widest text, those for names, states and addresses less where a line would be too wide. */
function widthsOf(rows: Row[]): Record<keyof Row, number> {
  const widest = (texts: string[]) => Math.max(...texts.map((text) => columns(onOneLine(text))));
  const widths = {
    name: widest(rows.map(({ name }) => name)),
    state: widest(rows.map(({ state }) => state)),
    pid: widest(rows.map(({ pid }) => pid)),
    connections: widest(rows.map(({ connections }) => connections)),
    addresses: widest(rows.map(({ addresses }) => addresses.join(", "))),
  };
  const shrinkable = ["name", "state", "addresses"] as const;
  const tooWide = () => Object.values(widths).reduce((sum, one) => sum + one, 0) + 4 * gap - width;
  for (let left = tooWide(); left > 0; left--) {
    const most = shrinkable.reduce((one, other) => (widths[other] > widths[one] ? other : one));
    widths[most]--;
  }
  return widths;
}

/** What is known besides. */
function besides({ program, status, problem, lastEnd, log }: Entry): string[] {
  const pid = status?.programs[0]?.pid;
  const parts = [
    ...(program === null
      ? []
      : [`${fit(program.join(" "), width - indent - 10)}${pid === undefined ? "" : ` (${pid})`}`]),
    ...(status?.waitingFor == null ? [] : [`clients wait for ${status.waitingFor}`]),
    ...(lastEnd === null ? [] : [`last run ${lastEnd}`]),
    ...(log === null ? [] : [`log ${log}`]),
    ...(problem === null ? [] : [problem]),
  ];
  return parts.length === 0 ? [] : [" ".repeat(indent) + fold(parts.join("; "), indent, { cut: true })];
}
