/**
 * Choosing a time range: one of the last so-and-so long, or two ends.
 */

import { at, fill, h } from "./dom.js";
import * as time from "./time.js";

/**
 * Let the button open the sheet.
 * @param {() => {from: string, to: string}} current
 * @param {(from: string, to: string) => void} chosen
 */
export function start(current, chosen) {
  const [button, sheet] = [at("range-button"), at("range-sheet")];
  const close = () => {
    sheet.hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  const choose = (from, to) => {
    close();
    chosen(from, to);
    button.focus();
  };
  button.addEventListener("click", () => {
    if (!sheet.hidden) return close();
    draw(sheet, current(), choose);
    sheet.hidden = false;
    button.setAttribute("aria-expanded", "true");
    sheet.querySelector("button")?.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!sheet.hidden && !sheet.contains(event.target) && !button.contains(event.target)) close();
  });
  sheet.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
      button.focus();
    }
  });
}

/** Write the range on the button. */
export function label(view) {
  fill(at("range-button"), time.rangeText(view.from, view.to));
  at("range-button").title = `Time range, in ${time.zone()}`;
}

function draw(sheet, view, choose) {
  const presets = time.PRESETS.map(([from, words]) => h("button", {
    type: "button", class: "plain quiet tight", "aria-pressed": String(view.from === from && view.to === "now"),
    onclick: () => choose(from, "now"),
  }, words));
  const now = Date.now();
  const input = (end) => h("input", { type: "datetime-local", step: "1", value: time.forInput(time.seconds(end, now)) });
  const [from, to] = [input(view.from), input(view.to)];
  const note = h("p", { class: "bad-text small", role: "alert" });
  const apply = () => {
    const [begin, end] = [time.fromInput(from.value), time.fromInput(to.value)];
    if (Number.isNaN(begin) || Number.isNaN(end)) return fill(note, "Give both ends.");
    if (begin >= end) return fill(note, "The beginning must be before the end.");
    return choose(String(begin), String(end));
  };
  const utc = h("input", { type: "checkbox", checked: time.isUtc(), onchange: () => {
    time.setUtc(utc.checked);
    draw(sheet, view, choose);
    choose(view.from, view.to);
  } });
  fill(sheet, h("div", { class: "presets" }, presets),
    h("div", { class: "absolute" },
      h("label", {}, "From", from), h("label", {}, "To", to), note,
      h("button", { type: "button", class: "primary tight", onclick: apply }, "Use these times"),
      h("label", { class: "check small" }, utc, "Times in UTC")));
}
