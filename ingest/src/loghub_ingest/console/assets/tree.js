/**
 * JSON as a tree that opens and closes, made of text. Bounded in nodes and depth: the rest is text.
 */

import { h } from "./dom.js";
import { isolated } from "./text.js";

const MAX_NODES = 2000;
const MAX_DEPTH = 40;
const OPEN_DEPTH = 2;

/** @param {unknown} value @returns {HTMLElement} */
export function tree(value) {
  return h("div", { class: "tree" }, branch(value, 0, { left: MAX_NODES }));
}

function branch(value, depth, budget) {
  if (value === null || typeof value !== "object") return leaf(value);
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = isList ? "[]" : "{}";
  if (!entries.length) return h("span", { class: "punct" }, open + close);
  if (depth >= MAX_DEPTH) return leafText(JSON.stringify(value).slice(0, 2000));
  const rows = [];
  for (const [name, inner] of entries) {
    if (budget.left-- <= 0) {
      rows.push(h("div", { class: "muted" }, "… more than can be shown here"));
      break;
    }
    const key = isList ? null : [isolated(name, [], { class: "key" }), ": "];
    rows.push(h("div", { class: "row" }, key, branch(inner, depth + 1, budget)));
  }
  const count = `${entries.length} ${isList ? "items" : "fields"}`;
  return h("details", { open: depth < OPEN_DEPTH },
    h("summary", {}, h("span", { class: "punct" }, open), h("span", { class: "count" }, count)),
    h("div", { class: "inner" }, rows), h("span", { class: "punct" }, close));
}

function leaf(value) {
  if (typeof value === "string") return leafText(value, "string");
  return h("span", { class: value === null ? "nothing" : typeof value }, String(value));
}

function leafText(text, kind = "") {
  return isolated(text, [], { class: kind });
}
