/**
 * What SQL gave: a chart where there are numbers to draw, and the table.
 */

import { chart } from "./chart.js";
import { fill, h } from "./dom.js";
import { isolated } from "./text.js";

const MAX_ROWS = 1000;

/**
 * @param {HTMLElement} place
 * @param {{columns: string[], types: string[], table: string[][], more: number}} found
 * @param {string} wanted which chart
 */
export function show(place, found, wanted) {
  place.className = "analysis";
  const rows = found.table.slice(0, MAX_ROWS);
  const numeric = found.columns.map((_, at) =>
    at > 0 && rows.length > 0 && rows.every((row) => row[at] === "null" || (row[at] !== "" && Number.isFinite(Number(row[at])))));
  const hidden = found.more + found.table.length - rows.length;
  fill(place, chart(found.columns, found.table, wanted),
    h("div", { class: "scroll" }, h("table", { class: "rows" },
      h("thead", {}, h("tr", {}, found.columns.map((name, at) =>
        h("th", { scope: "col", class: numeric[at] ? "number" : "" }, isolated(name))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, at) =>
        h("td", { class: `${numeric[at] ? "number" : ""} ${cell === "null" ? "none" : ""}`.trim() }, isolated(cell)))))))),
    hidden > 0 && h("p", { class: "muted small" }, `${hidden.toLocaleString()} more rows are not shown.`));
}

/** The rows as tab-separated text for the clipboard. */
export function text(found) {
  const clean = (cell) => cell.replace(/[\t\r\n]+/g, " ");
  return [found.columns, ...found.table].map((row) => row.map(clean).join("\t")).join("\n");
}
