/**
 * The search page: the view in the address is asked of the service, and the answers are drawn.
 * The other modules draw; this one decides when.
 */

import * as analysis from "./analysis.js";
import * as api from "./api.js";
import * as asking from "./asking.js";
import * as completing from "./completing.js";
import * as context from "./context.js";
import { copyWhole } from "./detail.js";
import { at, fill, h } from "./dom.js";
import * as fields from "./fields.js";
import * as files from "./files.js";
import * as frame from "./frame.js";
import * as histogram from "./histogram.js";
import * as keys from "./keys.js";
import { List, nothing } from "./list.js";
import { marker } from "./marks.js";
import * as range from "./range.js";
import * as records from "./records.js";
import { Tail } from "./tail.js";
import * as time from "./time.js";
import * as tools from "./tools.js";
import * as views from "./view.js";

const PAGE = 100;
const MAX_OFFSET = 100_000;
const MAX_LIVE = 1000;
/** Pixels; as in search.css. */
const NARROW = 900;
const { project, logstore } = frame.here;
const PATH = api.pathOf(project, logstore);

let view = views.read(location.search);
/** What the running search asked for: its ends in seconds, fixed when it began. */
let asked = null;
let shown = [];
let rows = null;
let tail = null;
let running = new AbortController();
/** How many records match, once they are counted. */
let total = null;
/** The fields of the side bar. */
let sample = null;
let took = "";

const doing = {
  add: (field, value, without) => set({ query: asking.add(view.query, field, value, without), offset: 0, live: false }, true),
  column: (field) => {
    const columns = view.columns.filter((each) => each !== field);
    if (columns.length === view.columns.length) columns.push(field);
    set({ columns, look: "table" }, false);
  },
  count: (field) => set({ query: asking.counting(view.query, field), offset: 0, live: false }, true),
  context: (record) => context.open(record, list.mark),
};
const list = new List(at("results"), doing);

/** Change the view; ask the service again, or draw anew what is there. */
function set(change, again, keep = true) {
  view = { ...view, ...change };
  if (keep) history.pushState(null, "", views.write(view));
  else history.replaceState(null, "", views.write(view));
  if (again) run();
  else draw();
}

/** Ask for what the view says, everything at once. */
async function run() {
  stop();
  showAsked();
  total = null;
  rows = null;
  if (view.live) return follow();
  const now = Date.now();
  asked = { query: view.query, from: time.seconds(view.from, now), to: time.seconds(view.to, now), reverse: !view.oldest };
  running = new AbortController();
  const signal = running.signal;
  at("results").setAttribute("aria-busy", "true");
  fill(at("status"), "Searching…");
  const isSql = asking.hasSql(view.query);
  await Promise.all([search(signal), bars(signal), isSql ? noFields() : sideBar(signal)]);
}

async function search(signal) {
  try {
    const found = await api.change("POST", `${PATH}/search`, { ...asked, line: PAGE, offset: view.offset }, signal);
    if (signal.aborted) return;
    fill(at("notices"), !found.complete && incomplete());
    rows = found.sql ? found : null;
    shown = found.sql ? [] : found.records.map(records.entry);
    list.mark = marker(found.marks);
    took = `${found.milliseconds} ms`;
    draw();
  } catch (fault) {
    if (!signal.aborted) failed(fault);
  } finally {
    if (!signal.aborted) at("results").removeAttribute("aria-busy");
  }
}

async function bars(signal) {
  try {
    const { from, to, query } = asked;
    const found = await api.get(`${PATH}/histogram`, { query, from, to, interval: histogram.step(from, to) }, signal);
    if (signal.aborted) return;
    total = { count: found.reduce((sum, bar) => sum + bar.count, 0), isWhole: found.every((bar) => bar.progress === "Complete") };
    histogram.draw(at("histogram"), found, (begin, end) =>
      set({ from: String(begin), to: String(end), offset: 0, live: false }, true));
    if (rows === null) status();
    pager();
  } catch (fault) {
    if (!signal.aborted) at("histogram").replaceChildren();
  }
}

async function sideBar(signal) {
  try {
    const found = await api.change("POST", `${PATH}/fields`, asked, signal);
    if (signal.aborted) return;
    sample = found;
    fields.draw(sample, view.columns, doing);
  } catch (fault) {
    if (!signal.aborted) fields.blank("");
  }
}

function noFields() {
  sample = null;
  fields.blank("SQL gives columns of its own.");
}

/** Draw what was found, as the view says now. */
function draw() {
  showAsked();
  if (rows !== null) {
    tools.forRows(view, set, { copy: () => frame.copy(analysis.text(rows), "Rows"), link: copyLink });
    analysis.show(at("results"), rows, view.chart);
    fill(at("status"), `${rows.table.length.toLocaleString()} rows of ${rows.rows.toLocaleString()} records · ${took}`);
  } else {
    tools.forRecords(view, set, { copy: copyPage, link: copyLink, download });
    if (shown.length || view.live) list.show(shown, view);
    else showNothing();
    if (!view.live) status();
  }
  if (sample) fields.draw(sample, view.columns, doing);
  pager();
}

function status() {
  if (view.live) return;
  const whole = total === null ? "" : `${total.isWhole ? "" : "at least "}${total.count.toLocaleString()} records`;
  const part = shown.length ? `${(view.offset + 1).toLocaleString()}–${(view.offset + shown.length).toLocaleString()}` : "";
  fill(at("status"), [part && whole ? `${part} of ${whole}` : whole || part, took].filter(Boolean).join(" · "));
}

function pager() {
  const isLast = shown.length < PAGE;
  if (rows !== null || view.live || (view.offset === 0 && isLast)) return void at("pager").replaceChildren();
  const next = view.offset + PAGE;
  const button = (words, offset, isOff) => h("button", { type: "button", class: "plain", disabled: isOff, onclick: () => page(offset) }, words);
  fill(at("pager"), button("← Previous", view.offset - PAGE, view.offset === 0),
    h("span", { class: "muted" }, `Page ${(view.offset / PAGE + 1).toLocaleString()}`),
    button("Next →", next, isLast || next > MAX_OFFSET),
    next > MAX_OFFSET && h("span", { class: "muted" }, "Further back: narrow the time range."));
}

function page(offset) {
  if (rows !== null || view.live || offset < 0 || offset > MAX_OFFSET) return;
  if (offset > view.offset && shown.length < PAGE) return;
  // Pages are of one range: one that moves with the clock would shift under the reader.
  set({ offset, from: String(asked.from), to: String(asked.to) }, true);
  scrollTo({ top: 0 });
}

function showNothing() {
  at("results").className = "";
  const wider = time.PRESETS.find(([from]) => time.seconds(from) < asked.from);
  fill(at("results"), nothing("Nothing found", `No record between ${time.short(asked.from)} and ${time.short(asked.to)} matches.`,
    wider && h("button", { type: "button", class: "plain", onclick: () => set({ from: wider[0], to: "now", offset: 0 }, true) }, wider[1])));
}

function incomplete() {
  return h("div", { class: "notice warn" },
    h("span", {}, "Only a part of the range was searched before the time was up. Narrow the range, or go on."),
    h("button", { type: "button", class: "plain tight", onclick: run }, "Search again"));
}

function failed(fault) {
  shown = [];
  at("results").className = "";
  at("results").replaceChildren();
  at("pager").replaceChildren();
  fill(at("status"), "");
  const way = /\bindex\b/.test(String(fault.message))
    && h("a", { class: "plain tight", href: `/console/settings/${project}/${logstore}#index` }, "Index settings");
  const said = fault.code === "IndexConfigNotExist"
    ? new api.Failure(fault.code, "This Logstore has no index: its records can be looked through, not searched. Give it one, or leave the query empty.", 400)
    : new api.Failure(fault.code ?? "", String(fault.message).replace(/^ErrorType:\w+\.ErrorMessage:/, "The query cannot be understood: "), fault.status ?? 0);
  fill(at("notices"), frame.problem(fault.code ? said : fault, way));
}

/** Follow live: what comes is added below, newest last. */
async function follow() {
  asked = null;
  sample = null;
  shown = [];
  took = "";
  at("histogram").replaceChildren();
  fields.blank("Stop following to see the fields.");
  fill(at("notices"));
  list.mark = () => [];
  draw();
  fill(at("status"), "Waiting for records…");
  const own = new Tail(view.query, {
    begun: (marks) => { list.mark = marker(marks); },
    records: (found, leftOut) => arrived(found, leftOut),
    trouble: (fault) => fill(at("notices"), fault && frame.problem(fault)),
  });
  tail = own;
  await own.start();
}

function arrived(found, leftOut) {
  const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
  const entries = found.map(records.entry);
  shown = [...shown, ...entries].slice(-MAX_LIVE);
  list.append(entries, MAX_LIVE);
  const note = leftOut ? ` · ${leftOut.toLocaleString()} too many to show` : "";
  fill(at("status"), `Following · ${shown.length.toLocaleString()} shown${shown.length === MAX_LIVE ? ", the newest" : ""}${note}`);
  if (isAtEnd && list.selected < 0) scrollTo({ top: document.documentElement.scrollHeight });
}

function stop() {
  running.abort();
  tail?.stop();
  tail = null;
}

function showAsked() {
  const query = at("query");
  if (document.activeElement !== query || query.value.trim() === "") query.value = view.query;
  grow();
  range.label(view);
  at("tail-button").setAttribute("aria-pressed", String(view.live));
  document.body.classList.toggle("live", view.live);
}

function grow() {
  const query = at("query");
  query.style.setProperty("height", "auto");
  query.style.setProperty("height", `${Math.min(query.scrollHeight, 180)}px`);
}

async function download(format) {
  try {
    await files.download(asked, format);
  } catch (fault) {
    fill(at("notices"), frame.problem(fault));
  }
}

function copyPage() {
  frame.copy(shown.map(records.json).join("\n"), `${shown.length} records`);
}

/** A link whose times do not move with the clock. */
function copyLink() {
  const fixed = asked ? { ...view, from: String(asked.from), to: String(asked.to) } : view;
  frame.copy(location.origin + location.pathname + views.write(fixed), "Link");
}

function submit() {
  at("query").blur();
  set({ query: at("query").value.trim(), offset: 0, live: false }, true);
}

function toggleLive() {
  set({ live: !view.live, query: at("query").value.trim(), offset: 0 }, true);
}

function nextLook() {
  if (rows !== null) return;
  const looks = ["lines", "table", "raw"];
  set({ look: looks[(looks.indexOf(view.look) + 1) % looks.length] }, false);
}

async function start() {
  if (innerWidth < NARROW) at("query").placeholder = "error and not timeout";
  at("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  // Before the page's own keys: Enter at a suggestion takes it.
  completing.start(at("query"), at("suggestions"), () => sample?.fields ?? []);
  at("query").addEventListener("input", grow);
  at("query").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  at("tail-button").addEventListener("click", toggleLive);
  at("fields-button").addEventListener("click", () => {
    const isOpen = at("fields").classList.toggle("open");
    at("fields-button").setAttribute("aria-expanded", String(isOpen));
  });
  range.start(() => view, (from, to) => set({ from, to, offset: 0, live: false }, true));
  keys.start({
    "/": () => { at("query").focus(); at("query").select(); },
    j: () => list.move(1), k: () => list.move(-1),
    o: () => list.current()?.toggle(),
    c: () => list.current()?.record.pack && doing.context(list.current().record),
    y: () => list.current() && copyWhole(list.current().record, Object.keys(list.current().record.cut).length > 0),
    t: toggleLive, v: nextLook,
    "[": () => page(view.offset - PAGE), "]": () => page(view.offset + PAGE),
    Escape: () => at("fields").classList.remove("open"),
  });
  addEventListener("popstate", () => {
    view = views.read(location.search);
    at("query").blur();
    run();
  });
  history.replaceState(null, "", views.write(view));
  await frame.start().catch((fault) => fill(at("notices"), frame.problem(fault)));
  await run();
}

start();
