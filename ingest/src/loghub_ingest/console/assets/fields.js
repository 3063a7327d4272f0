/**
 * The side bar: which fields the found records have, and their most frequent values, of a sample.
 * A value clicked becomes a condition of the query.
 */

import { at, fill, h } from "./dom.js";
import { isolated } from "./text.js";

const HIDDEN = new Set(["__time__", "__time_ns_part__", "__tag__:__pack_id__"]);

/** Remembers which fields are open. */
const open = new Set();

/**
 * @param {{records: number, fields: {name: string, records: number, distinct: number, many: boolean,
 *   top: [string, number][]}[]}} found
 * @param {string[]} columns
 * @param {{add: Function, column: Function, count: Function}} doing
 */
export function draw(found, columns, doing) {
  const shown = found.fields.filter((each) => !HIDDEN.has(each.name) && !isUnset(each));
  const own = shown.filter((each) => !each.name.startsWith("__"));
  const others = shown.filter((each) => each.name.startsWith("__"));
  const list = (each) => field(each, found.records, columns, doing);
  fill(at("fields"),
    h("div", { class: "side-head" }, h("h2", {}, "Fields"),
      h("span", { class: "muted small", title: "Counts are of a sample of the newest records found" },
        found.records ? `newest ${found.records.toLocaleString()}` : "")),
    h("div", { class: "side-list" }, own.map(list)),
    others.length > 0 && h("h3", {}, "Source and tags"),
    h("div", { class: "side-list" }, others.map(list)));
}

/** Show nothing, with a sentence. */
export function blank(sentence) {
  fill(at("fields"), h("div", { class: "side-head" }, h("h2", {}, "Fields")),
    h("p", { class: "muted small" }, sentence));
}

/** Whether it is one that the service always writes, and nobody gave a value. */
function isUnset(each) {
  return each.name.startsWith("__") && each.distinct === 1 && !each.many && each.top[0][0] === "";
}

function field(each, total, columns, doing) {
  const isColumn = columns.includes(each.name);
  const count = each.many ? (each.distinct ? `${each.distinct}+` : "many") : String(each.distinct);
  const made = h("details", { open: open.has(each.name) },
    h("summary", {}, isolated(each.name.replace(/^__tag__:/, ""), [], { class: "field-name", title: each.name }),
      h("span", { class: "count", title: "Different values" }, count)),
    h("div", { class: "values" },
      each.top.map(([value, number]) => valueRow(each, value, number, total, doing)),
      each.top.length === 0 && h("p", { class: "muted small" }, "Long texts: not counted."),
      h("div", { class: "side-doing" },
        h("button", { type: "button", class: "link", onclick: () => doing.column(each.name) },
          isColumn ? "remove column" : "as column"),
        h("button", { type: "button", class: "link", title: "Exact counts over the whole range, by SQL",
          onclick: () => doing.count(each.name) }, "count all"))));
  made.addEventListener("toggle", () => (made.open ? open.add(each.name) : open.delete(each.name)));
  return made;
}

function valueRow(each, value, number, total, doing) {
  const percent = Math.round((number / Math.max(1, total)) * 100);
  const meter = h("span", { class: "meter" });
  meter.style.setProperty("width", `${percent}%`);
  return h("div", { class: "value-row" }, meter,
    h("button", { type: "button", class: "value-text", title: "Only records with this value",
      onclick: () => doing.add(each.name, value, false) },
    value === "" ? h("i", {}, "empty") : isolated(value)),
    h("span", { class: "count", title: `${number.toLocaleString()} of ${total.toLocaleString()} records` }, `${percent}%`),
    h("button", { type: "button", class: "mini", title: "Only records without this value",
      "aria-label": `Without ${each.name} = ${value}`, onclick: () => doing.add(each.name, value, true) }, "−"));
}
