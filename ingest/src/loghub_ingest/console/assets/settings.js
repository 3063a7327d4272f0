/**
 * The settings page of a Logstore: retention, shards, index, and the whole document.
 */

import * as api from "./api.js";
import { at, fill, h } from "./dom.js";
import * as frame from "./frame.js";
import * as indexing from "./indexing.js";
import * as shards from "./shards.js";
import * as time from "./time.js";

const FOR_EVER = 3650;
const { project, logstore } = frame.here;
const PATH = api.pathOf(project, logstore);

/** The part of a card that changes. */
function content(id) {
  return at(id).querySelector(".content");
}

async function start() {
  document.addEventListener("keydown", (event) => {
    if (!frame.isTyping(event) && event.key === "?") frame.help();
  });
  try {
    const session = await frame.start();
    if (!session.mayChange) {
      fill(at("problem"), h("div", { class: "notice", id: "read-only" }, h("span", {}, "This key may look, not change: it has no right “admin” in this project.")));
    }
    await draw(session.mayChange);
  } catch (fault) {
    fill(at("problem"), frame.problem(fault));
  }
}

async function draw(mayChange) {
  const found = await api.get(PATH);
  const made = time.short(found.createTime);
  fill(at("summary"), `Project ${project} · made ${made} · changed ${time.short(found.lastModifyTime)}`);
  retention(found, mayChange);
  fill(content("document"), h("dl", { class: "settings" }, Object.entries(found).flatMap(([name, value]) =>
    [h("dt", { class: "mono" }, name), h("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))])));
  await Promise.all([
    shards.draw(content("shards"), PATH, mayChange),
    indexing.draw(content("index"), PATH, mayChange),
  ]);
  for (const each of document.querySelectorAll(".content")) each.removeAttribute("aria-busy");
}

function retention(found, mayChange) {
  const place = content("retention");
  const words = found.ttl >= FOR_EVER ? "Records are kept for ever." : `Records are kept for ${found.ttl} ${found.ttl === 1 ? "day" : "days"}.`;
  if (!mayChange) return void fill(place, h("p", {}, words));
  const days = h("input", { type: "number", min: 1, max: FOR_EVER, value: found.ttl, required: true, id: "days", "aria-label": "Days" });
  const note = h("div");
  const form = h("form", { class: "inline", onsubmit: async (event) => {
    event.preventDefault();
    const wanted = Number(days.value);
    if (wanted < found.ttl && !await frame.confirmed("Shorten the retention?",
      `Records older than ${wanted} days will be removed for good.`, "Shorten")) return;
    try {
      await api.change("PUT", PATH, { ttl: wanted });
      frame.toast(`Records are kept for ${wanted} days now`);
      await draw(mayChange);
    } catch (fault) {
      fill(note, frame.problem(fault));
    }
  } }, "Keep records for", days, "days", h("button", { class: "primary tight", id: "save-days" }, "Save"));
  fill(place, form, h("p", { class: "muted small" }, `${FOR_EVER} days means for ever.`), note);
}

start();
