import type { RoundKey } from "./measures.ts";
import { roundMeasures } from "./measures.ts";
import { isDirect, type Results, series } from "./report.ts";
import { median } from "./statistics.ts";

/** What README shows: one panel each, with a bar for every relay. */
const panels: RoundKey[] = ["requests32", "connections", "down", "up", "requestCpu", "p99"];

const [labelWidth, barWidth, rowHeight, panelHead, margin] = [170, 210, 20, 44, 16] as const;

/** The chart as an SVG document that follows the reader's light or dark colours. */
export function chart({ unix }: Results, program: string): string {
  const names = Object.keys(unix).filter((name) => !isDirect(name));
  const [width, height] = [labelWidth + barWidth + 70, panelHead + names.length * rowHeight + margin];
  const drawn = panels.map((key, index) => {
    const values = names.map((name) => median(series(unix[name], key)));
    return panel(roundMeasures[key], names, values, program, (index % 2) * width, Math.floor(index / 2) * height);
  });
  const [totalWidth, totalHeight] = [width * 2 + margin, height * Math.ceil(panels.length / 2) + margin];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${totalWidth} ${totalHeight}" role="img" aria-label="${program} beside other relays">
<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .bar { fill: #8c959f }
  .own { fill: #0969da }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar { fill: #6e7681 } .own { fill: #4493f8 } }
</style>
${drawn.join("\n")}
</svg>
`;
}

function panel(
  { title, unit, better, format }: (typeof roundMeasures)[RoundKey],
  names: string[],
  values: number[],
  program: string,
  x: number,
  y: number,
): string {
  const longest = Math.max(...values.filter(Number.isFinite), Number.MIN_VALUE);
  const rows = names.map((name, index) => {
    const value = values[index] ?? Number.NaN;
    if (!Number.isFinite(value)) return "";
    const top = y + panelHead + index * rowHeight;
    const length = Math.max(1, (value / longest) * barWidth).toFixed(1);
    const left = x + margin + labelWidth;
    return `<text x="${left - 6}" y="${top + 12}" text-anchor="end">${escapeXml(name)}</text><rect class="${name === program ? "own" : "bar"}" x="${left}" y="${top}" width="${length}" height="${rowHeight - 5}"/><text x="${left + Number(length) + 4}" y="${top + 12}">${format(value)}</text>`;
  });
  const head = `${title}${unit === "" ? "" : `, ${unit}`} (${better} is better)`;
  return `<text class="title" x="${x + margin}" y="${y + 28}">${escapeXml(head)}</text>\n${rows.filter(Boolean).join("\n")}`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
