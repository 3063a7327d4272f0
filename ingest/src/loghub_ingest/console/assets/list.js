/**
 * Records as lines, as a table, or raw. One of them is the selected one, which keys move; each may
 * be opened to its fields.
 */

import { detail } from "./detail.js";
import { fill, h } from "./dom.js";
import * as records from "./records.js";
import { isolated } from "./text.js";
import * as time from "./time.js";

const FOLDED_LINES = 3;
const FOLDED_CHARS = 1200;
const CELL_CHARS = 300;

/** The records of a page and how they are shown. */
export class List {
  /**
   * @param {HTMLElement} place
   * @param {object} doing what `detail` may do
   */
  constructor(place, doing) {
    this.place = place;
    this.doing = doing;
    this.rows = [];
    this.selected = -1;
    this.mark = () => [];
  }

  /** Show these records. @param {records.Entry[]} entries @param {object} view */
  show(entries, view) {
    this.rows = [];
    this.selected = -1;
    this.view = view;
    this.style = styleOf(entries);
    this.place.className = `list ${view.look} ${view.wrap ? "wrap" : "nowrap"}`;
    const body = view.look === "table" ? this.#table() : this.place;
    if (view.look !== "table") this.place.replaceChildren();
    this.body = body;
    body.append(...entries.map((each) => this.#row(each)));
  }

  /** Add records at the end, and forget the oldest beyond `most`. */
  append(entries, most) {
    const follows = this.selected < 0;
    if (!this.rows.length) this.style = styleOf(entries);
    this.body.append(...entries.map((each) => this.#row(each, true)));
    while (this.rows.length > most) {
      this.rows.shift().close();
      if (!follows) this.selected -= 1;
    }
  }

  /** Select the next record (1) or the one before (-1). */
  move(step) {
    if (!this.rows.length) return;
    this.select(Math.min(this.rows.length - 1, Math.max(0, this.selected + step)));
  }

  /** Select one by its place. */
  select(number) {
    this.rows[this.selected]?.element.classList.remove("selected");
    this.selected = number;
    const row = this.rows[number];
    row.element.classList.add("selected");
    row.element.scrollIntoView({ block: "nearest" });
    row.focus.focus({ preventScroll: true });
  }

  /** The selected record, or undefined. @returns {{record: records.Entry, toggle: () => void} | undefined} */
  current() {
    return this.rows[this.selected];
  }

  #table() {
    const columns = this.view.columns;
    const heads = columns.length ? columns : ["message"];
    const body = h("tbody");
    fill(this.place, h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "time"), heads.map((name) =>
        h("th", { scope: "col" }, isolated(name), columns.length > 0 && h("button", {
          type: "button", class: "mini", title: "Remove the column", "aria-label": `Remove the column ${name}`,
          onclick: () => this.doing.column(name),
        }, "✕"))))), body)));
    return body;
  }

  #row(record, isNew = false) {
    const row = this.view.look === "table" ? this.#cells(record) : this.#line(record);
    row.record = record;
    row.element.classList.toggle("new", isNew);
    row.element.dataset.level = record.level;
    let opened = null;
    row.toggle = () => {
      if (opened) {
        opened.remove();
        opened = null;
      } else {
        const inner = detail(record, this.mark, this.doing);
        opened = this.view.look === "table"
          ? h("tr", { class: "opened" }, h("td", { colspan: String(row.element.children.length) }, inner))
          : inner;
        row.element.after(opened);
      }
      row.focus.setAttribute("aria-expanded", String(opened !== null));
    };
    row.close = () => {
      opened?.remove();
      row.element.remove();
    };
    this.rows.push(row);
    row.focus.addEventListener("click", () => {
      this.select(this.rows.indexOf(row));
      row.toggle();
    });
    row.element.addEventListener("click", (event) => {
      if (event.target.closest("button, a, .fold") || String(getSelection())) return;
      this.select(this.rows.indexOf(row));
      row.toggle();
    });
    return row.element;
  }

  #opener(record) {
    return h("button", { type: "button", class: "when", "aria-expanded": "false", title: `${records.when(record)} — open (o)` },
      time.listed(record.unix, record.nano, this.style));
  }

  #line(record) {
    const focus = this.#opener(record);
    const text = h("div", { class: "text" });
    if (this.view.look === "raw" || record.message !== null) this.#message(text, record);
    else this.#pairs(text, record);
    const pod = this.view.look === "raw" ? null : podOf(record);
    return { element: h("div", { class: pod ? "record placed" : "record" }, focus, pod, text), focus };
  }

  #message(text, record) {
    const value = records.line(record);
    const name = record.message?.[0] ?? "";
    const lines = value.split("\n");
    const isLong = lines.length > FOLDED_LINES || value.length > FOLDED_CHARS;
    const short = isLong ? lines.slice(0, FOLDED_LINES).join("\n").slice(0, FOLDED_CHARS) : value;
    const draw = (shown) => isolated(shown, this.mark(name, shown));
    fill(text, draw(short));
    if (!isLong) return;
    const more = lines.length > FOLDED_LINES
      ? `${lines.length - FOLDED_LINES} more line${lines.length === FOLDED_LINES + 1 ? "" : "s"}`
      : `${(record.cut[name] ?? value.length).toLocaleString()} characters`;
    let isOpen = false;
    const fold = h("button", { type: "button", class: "fold", "aria-expanded": "false", onclick: () => {
      isOpen = !isOpen;
      text.replaceChild(draw(isOpen ? value : short), text.firstChild);
      fold.setAttribute("aria-expanded", String(isOpen));
      fill(fold, isOpen ? "▴ fold" : `▾ ${more}`);
    } }, `▾ ${more}`);
    text.append(fold);
  }

  #pairs(text, record) {
    for (const [name, value] of records.ownFields(record)) {
      const shown = value.length > CELL_CHARS ? `${value.slice(0, CELL_CHARS)}…` : value;
      text.append(h("span", { class: "pair" }, isolated(name, [], { class: "key" }), "=",
        isolated(shown, this.mark(name, shown))), " ");
    }
  }

  #cells(record) {
    const focus = this.#opener(record);
    const columns = this.view.columns;
    const values = columns.length
      ? columns.map((name) => [name, record.map.get(name)])
      : [[record.message?.[0] ?? "", records.line(record)]];
    const cells = values.map(([name, value]) => {
      if (value === undefined) return h("td", { class: "none" }, "–");
      const shown = value.length > CELL_CHARS ? `${value.slice(0, CELL_CHARS)}…` : value;
      return h("td", {}, isolated(shown, this.mark(name, shown)));
    });
    return { element: h("tr", { class: "record" }, h("td", { class: "time" }, focus), cells), focus };
  }
}

const COLOURS = 6;
const POD_CHARS = 15;

/** Which pod wrote it, in a colour that is the pod's own wherever it is shown; null where none is said. */
function podOf(record) {
  const name = record.map.get("__tag__:_pod_name_");
  if (!name) return null;
  const container = record.map.get("__tag__:_container_name_") ?? "";
  const where = `${record.map.get("__tag__:_namespace_") ?? ""}/${name} ${container}`.trim();
  let hash = 2166136261;
  for (const each of name) hash = Math.imul(hash ^ each.codePointAt(0), 16777619) >>> 0;
  // Replicas differ at their end, kinds at their beginning.
  const shown = name.length > POD_CHARS ? `${name.slice(0, POD_CHARS - 7)}…${name.slice(-6)}` : name;
  return isolated(shown, [], { class: "pod", title: where, "data-colour": String(hash % COLOURS) });
}

/** What the times of these records do not share. */
function styleOf(entries) {
  return {
    date: entries.some((each) => !time.isToday(each.unix)),
    part: entries.some((each) => each.nano > 0),
  };
}

/** The place where nothing was found. */
export function nothing(title, sentence, ...ways) {
  return h("div", { class: "empty" }, h("strong", {}, title), h("span", {}, sentence), ways);
}
