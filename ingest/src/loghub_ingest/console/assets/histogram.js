/**
 * Records over time as bars. Dragging over them zooms in, a click takes one bar.
 */

import { fill, h } from "./dom.js";
import * as time from "./time.js";

const HEIGHT = 84;
const WIDTH = 1000;
const MIN_DRAG = 4;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
const MAX_BARS = 90;

/** Seconds of one bar for a range. */
export function step(begin, end) {
  return STEPS.find((each) => (end - begin) / each <= MAX_BARS) ?? Math.ceil((end - begin) / MAX_BARS);
}

/**
 * Draw the bars.
 * @param {HTMLElement} place
 * @param {{from: number, to: number, count: number, progress: string}[]} bars
 * @param {(begin: number, end: number) => void} zoom
 */
export function draw(place, bars, zoom) {
  if (!bars.length) return void place.replaceChildren();
  const [begin, end] = [bars[0].from, bars[bars.length - 1].to];
  const most = Math.max(1, ...bars.map((bar) => bar.count));
  const x = (moment) => ((moment - begin) / (end - begin)) * WIDTH;
  const shapes = bars.map((bar) => {
    const height = bar.count ? Math.max(2, (bar.count / most) * HEIGHT) : 0;
    return h("rect", {
      x: x(bar.from) + 0.8, width: Math.max(0.6, x(bar.to) - x(bar.from) - 1.6), y: HEIGHT - height, height, rx: 1.5,
      class: bar.progress === "Complete" ? "bar-shape" : "bar-shape partial",
    });
  });
  const chosen = h("rect", { class: "chosen", y: 0, height: HEIGHT, x: 0, width: 0 });
  const total = bars.reduce((sum, bar) => sum + bar.count, 0);
  const svg = h("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "bars", role: "img",
    "aria-label": `${total.toLocaleString()} records from ${time.short(begin)} to ${time.short(end)}`,
  }, shapes, chosen);
  const tip = h("div", { class: "tip", hidden: true });
  const frame = h("div", { class: "plot" }, svg, tip);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    h("span", {}, label(Math.round(begin + part * (end - begin)), end - begin)));
  fill(place, h("div", { class: "scale" }, h("span", {}, compact(most))), frame, h("div", { class: "ticks" }, ticks));
  draggable({ frame, svg, chosen, tip, bars, begin, end, zoom });
}

/** A number in few signs: 950, 1.2k, 3.4M. */
export function compact(count) {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(count);
}

function label(unix, span) {
  const text = time.short(unix);
  if (span < 120) return text.slice(11);
  return span <= 86400 ? text.slice(11, 16) : text.slice(5, 16);
}

function draggable({ frame, svg, chosen, tip, bars, begin, end, zoom }) {
  let start = null;
  const moment = (event) => {
    const box = svg.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return begin + part * (end - begin);
  };
  const barAt = (at) => bars.find((bar) => at >= bar.from && at < bar.to) ?? bars[bars.length - 1];
  const show = (from, to) => {
    chosen.setAttribute("x", String(((from - begin) / (end - begin)) * WIDTH));
    chosen.setAttribute("width", String(((to - from) / (end - begin)) * WIDTH));
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = { x: event.clientX, at: moment(event) };
    frame.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  frame.addEventListener("pointermove", (event) => {
    const at = moment(event);
    if (start !== null) show(Math.min(start.at, at), Math.max(start.at, at));
    hint(frame, tip, event, start === null ? barText(barAt(at)) : rangeHint(start.at, at));
  });
  frame.addEventListener("pointerleave", () => { tip.hidden = true; });
  const stop = (event, isDone) => {
    if (start === null) return;
    const [from, to] = [start.at, moment(event)].sort((a, b) => a - b);
    const isDrag = Math.abs(event.clientX - start.x) >= MIN_DRAG;
    const bar = barAt(start.at);
    start = null;
    show(begin, begin);
    if (!isDone) return;
    if (isDrag) zoom(Math.floor(from), Math.max(Math.floor(from) + 1, Math.ceil(to)));
    else if (bar.count) zoom(bar.from, bar.to);
  };
  frame.addEventListener("pointerup", (event) => stop(event, true));
  frame.addEventListener("pointercancel", (event) => stop(event, false));
}

function hint(frame, tip, event, text) {
  const box = frame.getBoundingClientRect();
  fill(tip, text);
  tip.hidden = false;
  const left = Math.min(Math.max(event.clientX - box.left, 90), box.width - 90);
  tip.style.setProperty("left", `${left}px`);
}

function barText(bar) {
  const partial = bar.progress === "Complete" ? "" : " at least";
  return `${time.short(bar.from)} · ${time.span(bar.to - bar.from)} ·${partial} ${bar.count.toLocaleString()}`;
}

function rangeHint(one, other) {
  const [from, to] = [one, other].sort((a, b) => a - b).map(Math.round);
  return `${time.short(from)} – ${time.short(to).slice(11)} · ${time.span(to - from)}`;
}
