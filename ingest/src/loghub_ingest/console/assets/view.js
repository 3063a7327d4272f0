/**
 * What the search page shows, kept in its address: whoever opens the link sees the same.
 */

import { isEnd } from "./time.js";

const LOOKS = ["lines", "table", "raw"];
const CHARTS = ["auto", "bar", "line", "none"];
const MAX_COLUMNS = 30;

/**
 * @typedef {{query: string, from: string, to: string, look: string, oldest: boolean, wrap: boolean,
 *   columns: string[], chart: string, offset: number, live: boolean}} View
 */

/** @returns {View} the view in an address's query; what makes no sense is as if it were not there. */
export function read(text) {
  const given = new URLSearchParams(text);
  const [from, to] = [given.get("from") ?? "", given.get("to") ?? ""];
  const ends = isEnd(from) && isEnd(to);
  const offset = Number(given.get("offset") ?? 0);
  return {
    query: given.get("q") ?? "",
    from: ends ? from : "-15m",
    to: ends ? to : "now",
    look: one(given.get("view"), LOOKS),
    oldest: given.get("order") === "oldest",
    wrap: given.get("wrap") !== "0",
    columns: given.getAll("column").slice(0, MAX_COLUMNS),
    chart: one(given.get("chart"), CHARTS),
    offset: Number.isInteger(offset) && offset > 0 ? offset : 0,
    live: given.get("live") === "1",
  };
}

/** The address's query of a view, what is as usual left out. */
export function write(view) {
  const given = new URLSearchParams();
  if (view.query) given.set("q", view.query);
  given.set("from", view.from);
  given.set("to", view.to);
  if (view.look !== "lines") given.set("view", view.look);
  if (view.oldest) given.set("order", "oldest");
  if (!view.wrap) given.set("wrap", "0");
  for (const column of view.columns) given.append("column", column);
  if (view.chart !== "auto") given.set("chart", view.chart);
  if (view.offset) given.set("offset", String(view.offset));
  if (view.live) given.set("live", "1");
  return `?${given}`;
}

function one(text, known) {
  return known.includes(text) ? text : known[0];
}
