import { onOneLine } from "../../errors.ts";

/** The columns that every terminal has. */
export const width = 80;

const graphemes = new Intl.Segmenter();

/** How many columns of a terminal a text takes. */
export function columns(text: string): number {
  return Bun.stringWidth(text);
}

/** What comes from outside, on one line and at most so wide: the middle of a longer one is left out. */
export function fit(text: string, most: number): string {
  const line = onOneLine(text);
  if (columns(line) <= most) return line;
  const parts = [...graphemes.segment(line)].map(({ segment }) => segment);
  const [head, tail] = [take(parts, Math.ceil((most - 1) / 2)), take(parts.reverse(), Math.floor((most - 1) / 2))];
  return `${head.join("")}…${tail.reverse().join("")}`;
}

/** As many of them, from the first on, as so many columns hold. */
function take(parts: string[], most: number): string[] {
  const taken: string[] = [];
  let left = most;
  for (const part of parts) {
    left -= columns(part);
    if (left < 0) break;
    taken.push(part);
  }
  return taken;
}

/** Filled up with blanks to so many columns. */
export function pad(text: string, to: number): string {
  return text + " ".repeat(Math.max(0, to - columns(text)));
}

/** Words on lines of the usual width, those after the first indented. A word that is wider than a line stays whole, unless `cut` is set. */
export function fold(text: string, indent: number, { cut = false } = {}): string {
  const lines = [""];
  for (const whole of onOneLine(text).split(" ")) {
    const word = cut ? fit(whole, width - indent) : whole;
    const line = lines.at(-1) ?? "";
    if (line !== "" && columns(line) + 1 + columns(word) > width - indent) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

/** A number of bytes in the unit that leaves three digits: `1.2 MB`. */
export function bytes(number: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let [value, unit] = [number, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1_000, unit + 1];
  if (unit === 0) return `${value} ${value === 1 ? "byte" : "bytes"}`;
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

/** A time on this machine's clock: `2026-11-25 21:35:55`; the text itself where it is none. */
export function localTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const two = (number: number) => String(number).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}

/** A time span as people say it, by its greatest two units: `3 min 20 s`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const units: [string, number][] = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ];
  const first = Math.max(
    0,
    units.findIndex(([, length]) => seconds >= length),
  );
  const place = seconds === 0 ? units.length - 1 : first;
  let left = seconds;
  return units
    .slice(place, place + 2)
    .map(([unit, length]) => {
      const count = Math.floor(left / length);
      left -= count * length;
      return { count, text: `${count} ${unit}` };
    })
    .filter(({ count }, index) => index === 0 || count > 0)
    .map(({ text }) => text)
    .join(" ");
}
