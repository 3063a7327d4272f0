/**
 * Shards as parts of the key space; split, merged and deleted where the key may.
 */

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import * as frame from "./frame.js";
import * as time from "./time.js";

const SPACE = 2 ** 32;

/** @param {HTMLElement} place @param {string} path of the Logstore @param {boolean} mayChange */
export async function draw(place, path, mayChange) {
  const found = await api.get(`${path}/shards`);
  const note = h("div");
  const act = async (run) => {
    try {
      await run();
      await draw(place, path, mayChange);
    } catch (fault) {
      fill(note, frame.problem(fault));
    }
  };
  const written = found.filter((each) => each.status === "readwrite");
  fill(place,
    h("p", { class: "muted" }, `${written.length} written to, ${found.length - written.length} read-only. Each takes the writes whose hash key is in its part of the key space.`),
    bar(written),
    h("div", { class: "scroll" }, h("table", { class: "rows" },
      h("thead", {}, h("tr", {}, ["Shard", "State", "From", "To", "Made", ""].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, found.map((each) => row(each, written, path, mayChange, act))))), note);
}

function bar(written) {
  const ordered = [...written].sort((a, b) => (a.inclusiveBeginKey < b.inclusiveBeginKey ? -1 : 1));
  return h("svg", { class: "key-space", viewBox: "0 0 1000 34", preserveAspectRatio: "none", role: "img", "aria-label": "The key space and its shards" },
    ordered.map((each, at) => {
      const [begin, end] = [each.inclusiveBeginKey, each.exclusiveEndKey].map((key) => parseInt(key.slice(0, 8), 16) / SPACE);
      const width = Math.max(1, (end - begin) * 1000 - 3);
      return h("rect", { x: begin * 1000 + 1.5, width, y: 0, height: 34, rx: 3, class: at % 2 ? "part odd" : "part" },
        h("title", {}, `Shard ${each.shardID}`));
    }));
}

function row(each, written, path, mayChange, act) {
  const isWritten = each.status === "readwrite";
  const right = written.find((other) => other.inclusiveBeginKey === each.exclusiveEndKey);
  const call = (method, action) => () => act(() => api.change(method, `${path}/shards/${each.shardID}${action}`));
  const sure = (title, text, word, run) => async () => await frame.confirmed(title, text, word) && run();
  const button = (words, run, danger = false) =>
    h("button", { type: "button", class: `plain tight${danger ? " danger" : ""}`, onclick: run }, words);
  const doing = !mayChange ? [] : isWritten ? [
    button("Split", sure(`Split shard ${each.shardID}?`, "Two new shards take its writes; what it holds stays readable until it expires.", "Split", call("POST", "?action=split"))),
    right && button("Merge with next", sure(`Merge shards ${each.shardID} and ${right.shardID}?`, "One new shard takes the writes of both; what they hold stays readable until it expires.", "Merge", call("POST", "?action=merge"))),
  ] : [button("Delete", sure(`Delete shard ${each.shardID}?`, "What it holds is gone for good.", "Delete", call("DELETE", "")), true)];
  return h("tr", { "data-shard": each.shardID },
    h("td", { class: "number" }, each.shardID),
    h("td", {}, h("span", { class: isWritten ? "chip good" : "chip" }, isWritten ? "written to" : "read-only")),
    h("td", { class: "mono" }, `${each.inclusiveBeginKey.slice(0, 8)}…`),
    h("td", { class: "mono" }, `${each.exclusiveEndKey.slice(0, 8)}…`),
    h("td", {}, time.short(each.createTime)),
    h("td", { class: "doing" }, doing));
}
