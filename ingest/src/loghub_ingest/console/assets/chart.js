/**
 * Rows of SQL as a chart: bars for a text and numbers, lines where the first column is a time.
 */

import { h } from "./dom.js";
import * as time from "./time.js";
import { compact } from "./histogram.js";

const WIDTH = 900;
const HEIGHT = 260;
const LEFT = 56;
const BOTTOM = 28;
const MAX_SERIES = 6;
const MAX_POINTS = 1000;
const MAX_BARS = 40;
const LABEL_CHARS = 22;

/**
 * The chart of a table, or null where there are no numbers to draw.
 * @param {string[]} columns @param {string[][]} rows @param {string} wanted auto, bar, line or none
 */
export function chart(columns, rows, wanted) {
  if (wanted === "none" || rows.length < 1 || columns.length < 2) return null;
  const series = columns.map((name, at) => ({ name, at }))
    .filter(({ at }) => at > 0 && rows.every((row) => isNumber(row[at]))).slice(0, MAX_SERIES);
  if (!series.length) return null;
  const moments = rows.map((row) => moment(row[0]));
  const isTime = rows.length > 1 && moments.every((each) => !Number.isNaN(each));
  const isLine = wanted === "line" || (wanted === "auto" && isTime);
  const labels = rows.map((row) => row[0]);
  const drawn = isLine
    ? lines(labels, rows, series, isTime ? moments : rows.map((_, at) => at), isTime)
    : bars(labels, rows, series);
  return h("figure", { class: "chart", "data-kind": isLine ? "line" : "bar" }, drawn, legend(series));
}

function isNumber(text) {
  return text === "null" || (text !== "" && Number.isFinite(Number(text)));
}

function value(row, at) {
  return row[at] === "null" ? 0 : Number(row[at]);
}

function moment(text) {
  if (/^1[0-9]{9}(\.\d+)?$/.test(text)) return Number(text);
  if (!/^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?/.test(text)) return NaN;
  return Date.parse(text.replace(" ", "T").slice(0, 19)) / 1000;
}

function lines(labels, rows, series, xs, isTime) {
  const order = xs.map((x, at) => at).sort((a, b) => xs[a] - xs[b]).slice(0, MAX_POINTS);
  const scale = scaleOf(rows, series);
  const [low, high] = [xs[order[0]], xs[order[order.length - 1]]];
  const x = (at) => LEFT + ((xs[at] - low) / Math.max(1e-9, high - low)) * (WIDTH - LEFT - 10);
  const paths = series.map(({ at: column, name }, number) => h("g", {},
    h("polyline", { class: `line c${number}`, points: order.map((at) => `${x(at).toFixed(1)},${scale.y(value(rows[at], column)).toFixed(1)}`).join(" ") }),
    order.length <= 120 && order.map((at) => h("circle", { class: `point c${number}`, r: 2.5, cx: x(at), cy: scale.y(value(rows[at], column)) },
      h("title", {}, `${labels[at]} · ${name}: ${rows[at][column]}`)))));
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = order[Math.round(part * (order.length - 1))];
    const text = isTime ? time.short(xs[at]).slice(high - low > 86400 ? 5 : 11, 16) : labels[at].slice(0, LABEL_CHARS);
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    return h("text", { class: "tick", x: x(at), y: HEIGHT - 8, "text-anchor": anchor }, text);
  });
  return frame(scale, [...paths, ...ticks], HEIGHT);
}

function bars(labels, rows, series) {
  const kept = rows.slice(0, MAX_BARS);
  const scale = scaleOf(kept, series);
  const wide = (WIDTH - LEFT - 10) / kept.length;
  const each = Math.min(46, (wide * 0.72) / series.length);
  const shapes = kept.flatMap((row, at) => series.map(({ at: column, name }, number) => {
    if (row[column] === "null") return null;
    const middle = LEFT + wide * (at + 0.5);
    const top = scale.y(Math.max(0, value(row, column)));
    const foot = scale.y(Math.min(0, value(row, column)));
    return h("rect", { class: `column c${number}`, rx: 2, x: middle + (number - series.length / 2) * each, width: Math.max(1, each - 1), y: top, height: Math.max(1, foot - top) },
      h("title", {}, `${labels[at]} · ${name}: ${row[column]}`));
  }));
  const fits = Math.max(3, Math.floor(wide / 7));
  const every = Math.ceil(kept.length / 20);
  const ticks = kept.map((row, at) => at % every === 0 && h("text", {
    class: "tick", x: LEFT + wide * (at + 0.5), y: HEIGHT - 8, "text-anchor": "middle",
  }, shortened(row[0], Math.min(LABEL_CHARS, fits * every)), h("title", {}, row[0])));
  return frame(scale, [...shapes, ...ticks].filter(Boolean), HEIGHT);
}

function shortened(text, most) {
  return text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text;
}

function scaleOf(rows, series) {
  let [low, high] = [0, 0];
  for (const row of rows) {
    for (const { at } of series) {
      low = Math.min(low, value(row, at));
      high = Math.max(high, value(row, at));
    }
  }
  if (low === high) high = low + 1;
  const step = nice((high - low) / 4);
  const [bottom, top] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  const y = (number) => 10 + (1 - (number - bottom) / (top - bottom)) * (HEIGHT - BOTTOM - 10);
  return { y, bottom, top, step };
}

function nice(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough;
}

function frame(scale, shapes, height) {
  const lines = [];
  for (let number = scale.bottom; number <= scale.top + scale.step / 2; number += scale.step) {
    const y = scale.y(number);
    lines.push(h("line", { class: "grid", x1: LEFT, x2: WIDTH - 10, y1: y, y2: y }),
      h("text", { class: "tick", x: LEFT - 8, y: y + 4, "text-anchor": "end" }, compact(number)));
  }
  return h("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "chart-body", role: "img", "aria-label": "Chart of the rows" }, lines, shapes);
}

function legend(series) {
  return h("figcaption", {}, series.map(({ name }, number) =>
    h("span", {}, h("i", { class: `swatch c${number}` }), name)));
}
