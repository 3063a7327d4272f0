/**
 * One record opened: every field with what can be done with it, JSON as a tree, long values whole
 * on demand.
 */

import * as api from "./api.js";
import { fill, h, icon } from "./dom.js";
import { copy, here, problem } from "./frame.js";
import * as records from "./records.js";
import { isolated, MAX_SHOWN } from "./text.js";
import { tree } from "./tree.js";

const MAX_CONDITION = 200;

/**
 * @param {records.Entry} record
 * @param {(field: string, value: string) => [number, number][]} mark
 * @param {{add?: (field: string, value: string, without: boolean) => void,
 *   column?: (field: string) => void, context?: (record: records.Entry) => void}} doing
 */
export function detail(record, mark, doing) {
  const body = h("div", { class: "field-list" });
  const made = h("div", { class: "detail" }, actions(record, body, mark, doing), body);
  fill(body, ...rows(record, mark, doing));
  return made;
}

function actions(record, body, mark, doing) {
  const isCut = record.more > 0 || Object.keys(record.cut).length > 0;
  return h("div", { class: "detail-actions" },
    doing.context && record.pack && h("button", {
      type: "button", class: "plain tight", onclick: () => doing.context(record),
    }, "Context"),
    h("button", {
      type: "button", class: "plain tight", onclick: () => copyWhole(record, isCut),
    }, "Copy JSON"),
    isCut && record.pack && h("button", {
      type: "button", class: "plain tight", onclick: (event) => whole(record, body, mark, doing, event.target),
    }, "Show the whole record"));
}

function rows(record, mark, doing) {
  const time = h("div", { class: "field" },
    h("div", { class: "name" }, "__time__"),
    h("div", { class: "value" }, `${record.map.get("__time__") ?? ""}  (${records.when(record)})`), h("div"));
  const shown = record.fields.filter(([name, value]) => value !== "" || name !== "__topic__");
  const made = shown.map((field) => row(record, field, mark, doing));
  if (record.more > 0) made.push(h("div", { class: "muted" }, `${record.more} more fields are not shown.`));
  return [time, ...made];
}

function row(record, [name, value], mark, doing) {
  const json = records.parsed(value);
  const shown = h("div", { class: "value" });
  const total = record.cut[name];
  const flat = () => [isolated(value, mark(name, value)), rest(total ?? value.length, value)];
  fill(shown, ...(json === undefined ? flat() : [tree(json)]));
  const short = value.length <= MAX_CONDITION && total === undefined && !/[\r\n]/.test(value);
  const button = (drawing, title, run) =>
    h("button", { type: "button", class: "mini", title, "aria-label": `${title}: ${name}`, onclick: run }, icon(drawing));
  const buttons = [
    doing.add && short && button("M12 5v14M5 12h14", "Only records with this value", () => doing.add(name, value, false)),
    doing.add && short && button("M5 12h14", "Only records without this value", () => doing.add(name, value, true)),
    doing.column && button("M4 5h16v14H4zM10 5v14M15 5v14", "Show as a column, or no more", () => doing.column(name)),
    button("M9 9h11v11H9zM5 15H4V4h11v1", "Copy the value", () => copy(value, "Value")),
  ];
  return h("div", { class: "field" }, isolated(name, [], { class: "name" }), shown, h("div", { class: "doing" }, buttons));
}

function rest(total, value) {
  const shown = Math.min(value.length, MAX_SHOWN);
  return total > shown && h("div", { class: "muted small" },
    `… ${shown.toLocaleString()} of ${total.toLocaleString()} characters are shown.`);
}

async function whole(record, body, mark, doing, button) {
  button.disabled = true;
  try {
    const all = await fetchWhole(record);
    fill(body, ...rows(all, mark, doing));
    button.remove();
  } catch (fault) {
    body.prepend(problem(fault));
    button.disabled = false;
  }
}

async function fetchWhole(record) {
  const path = `${api.pathOf(here.project, here.logstore)}/context`;
  const { id, meta } = record.pack;
  const query = { pack_id: id, pack_meta: meta, back_lines: 0, forward_lines: 0, whole: 1 };
  return records.entry((await api.get(path, query)).records[0]);
}

/** Copy a record as JSON, whole even where the page has a part of it. */
export async function copyWhole(record, isCut) {
  const all = isCut && record.pack ? await fetchWhole(record).catch(() => record) : record;
  await copy(records.json(all), "Record");
}
