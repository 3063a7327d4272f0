/**
 * The records around one, as its sender wrote them, in a dialog; more on both sides on demand.
 */

import * as api from "./api.js";
import { at, fill, h } from "./dom.js";
import { here, problem } from "./frame.js";
import * as records from "./records.js";
import { isolated } from "./text.js";
import * as time from "./time.js";

const FIRST = 20;
const MORE = 40;
const MOST = 100;

/** Open the dialog at a record. @param {records.Entry} record @param {Function} mark */
export async function open(record, mark) {
  const dialog = at("context");
  fill(at("context-note"), records.when(record));
  fill(at("context-body"), h("p", { class: "muted" }, "Reading…"));
  if (!dialog.open) dialog.showModal();
  await show(record, mark, { back: FIRST, forward: FIRST });
}

async function show(record, mark, wanted) {
  const body = at("context-body");
  let found;
  try {
    found = await api.get(`${api.pathOf(here.project, here.logstore)}/context`, {
      pack_id: record.pack.id, pack_meta: record.pack.meta, back_lines: wanted.back, forward_lines: wanted.forward,
    });
  } catch (fault) {
    return void fill(body, problem(fault));
  }
  const grow = (side) => () => show(record, mark, { ...wanted, [side]: Math.min(MOST, wanted[side] + MORE) });
  const more = (side, words, count) => count === wanted[side] && wanted[side] < MOST
    && h("button", { type: "button", class: "plain quiet wide tight", onclick: grow(side) }, words);
  const entries = found.records.map(records.entry);
  const style = { date: false, part: entries.some((each) => each.nano > 0) };
  const lines = entries.map((each) => line(each, mark, style));
  fill(body, more("back", "Earlier lines", found.back), h("div", { class: "list lines wrap" }, lines),
    more("forward", "Later lines", found.forward),
    !found.complete && h("p", { class: "muted small" }, "The time for reading was up: there may be more."));
  body.querySelector(".own")?.scrollIntoView({ block: "center" });
}

function line(record, mark, style) {
  const isOwn = record.number === 0;
  const text = records.line(record);
  return h("div", { class: isOwn ? "record own" : "record", "data-level": record.level, "aria-current": isOwn && "true" },
    h("span", { class: "when", title: records.when(record) }, time.listed(record.unix, record.nano, style)),
    h("div", { class: "text" }, isolated(text, isOwn ? mark(record.message?.[0] ?? "", text) : [])));
}
