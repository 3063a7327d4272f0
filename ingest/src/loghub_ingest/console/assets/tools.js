/**
 * The tool bar above the results: how they are shown, copied and downloaded.
 */

import { at, fill, h } from "./dom.js";

const LOOKS = [["lines", "Lines"], ["table", "Table"], ["raw", "Raw"]];
const CHARTS = [["auto", "Auto"], ["bar", "Bars"], ["line", "Line"], ["none", "Table"]];

/**
 * Tools of records.
 * @param {object} view @param {(change: object, again: boolean) => void} set
 * @param {{copy: () => void, link: () => void, download: (format: string) => void}} doing
 */
export function forRecords(view, set, doing) {
  fill(at("tools"),
    choice("How records are shown", LOOKS, view.look, (look) => set({ look }, false)),
    toggle("Wrap", "Break long lines", view.wrap, () => set({ wrap: !view.wrap }, false)),
    !view.live && h("button", { type: "button", class: "plain tight quiet", title: "Turn the order round",
      onclick: () => set({ oldest: !view.oldest, offset: 0 }, true) }, view.oldest ? "Oldest first ↓" : "Newest first ↓"),
    menu("Export", [
      ["Copy a link to what is shown", doing.link],
      ["Copy this page as JSON lines", doing.copy],
      !view.live && ["Download JSON lines", () => doing.download("ndjson")],
      !view.live && ["Download CSV", () => doing.download("csv")],
    ]));
}

/** Tools of SQL's rows. */
export function forRows(view, set, doing) {
  fill(at("tools"),
    choice("Chart", CHARTS, view.chart, (chart) => set({ chart }, false)),
    menu("Export", [["Copy a link to what is shown", doing.link], ["Copy the rows, tab-separated", doing.copy]]));
}

function choice(name, options, current, chosen) {
  return h("div", { class: "segments", role: "group", "aria-label": name }, options.map(([value, words]) =>
    h("button", { type: "button", "aria-pressed": String(value === current), onclick: () => chosen(value) }, words)));
}

function toggle(words, title, isOn, run) {
  return h("button", { type: "button", class: "plain tight quiet toggle", title, "aria-pressed": String(isOn), onclick: run }, words);
}

function menu(words, items) {
  const made = h("details", { class: "menu" }, h("summary", { class: "plain tight quiet" }, `${words} ▾`),
    h("div", { class: "sheet" }, items.filter(Boolean).map(([text, run]) =>
      h("button", { type: "button", class: "plain quiet tight item", onclick: () => {
        made.open = false;
        run();
      } }, text))));
  return made;
}
