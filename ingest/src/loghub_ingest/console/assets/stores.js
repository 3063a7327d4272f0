/**
 * The first page: projects with their Logstores.
 */

import * as api from "./api.js";
import { at, fill, h } from "./dom.js";
import * as frame from "./frame.js";
import { nothing } from "./list.js";

const PAGE = 500;
const AT_ONCE = 6;

async function start() {
  document.addEventListener("keydown", (event) => {
    if (frame.isTyping(event)) return;
    if (event.key === "?") frame.help();
    if (event.key === "/") {
      event.preventDefault();
      at("filter").focus();
    }
  });
  try {
    await frame.start();
    const projects = await all("/projects", "projects");
    const found = await inTurn(projects, stores);
    at("filter").addEventListener("input", () => draw(found));
    draw(found);
  } catch (fault) {
    fill(at("problem"), frame.problem(fault));
  } finally {
    at("projects").removeAttribute("aria-busy");
  }
}

async function all(path, name) {
  const found = [];
  for (;;) {
    const page = await api.get(path, { offset: found.length, size: PAGE });
    found.push(...page[name]);
    if (!page[name].length || found.length >= page.total) return found;
  }
}

async function stores(project) {
  const path = `/projects/${encodeURIComponent(project.projectName)}/logstores`;
  try {
    return { project, logstores: await all(path, "logstores") };
  } catch (fault) {
    return { project, logstores: [], fault };
  }
}

async function inTurn(items, work) {
  const found = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    found.push(...await Promise.all(items.slice(at, at + AT_ONCE).map(work)));
  }
  return found;
}

function draw(found) {
  const wanted = at("filter").value.trim().toLowerCase();
  const count = found.reduce((sum, each) => sum + each.logstores.length, 0);
  fill(at("summary"), `${plural(count, "Logstore")} in ${plural(found.length, "project")}`);
  const cards = found.map((each) => card(each, wanted)).filter(Boolean);
  fill(at("projects"), cards.length ? cards : none(found.length, wanted));
}

function none(projects, wanted) {
  if (projects) return nothing("No such name", `No project or Logstore has “${wanted}” in its name.`);
  return nothing("Nothing here yet", "The service has no project that this key may see. Make one with a LogProject resource or an SDK.");
}

function card({ project, logstores, fault }, wanted) {
  const name = project.projectName;
  const isProject = name.toLowerCase().includes(wanted);
  const shown = logstores.filter((each) => isProject || each.toLowerCase().includes(wanted));
  if (!isProject && !shown.length) return null;
  return h("section", { class: "card project-card" },
    h("div", { class: "project-head" }, h("h2", {}, name), h("span", { class: "muted" }, project.description),
      h("div", { class: "grow" }), h("span", { class: "muted small" }, plural(logstores.length, "Logstore"))),
    fault && frame.problem(fault),
    h("ul", { class: "store-list" }, shown.map((each) => h("li", {},
      h("a", { class: "store", href: `/console/search/${name}/${each}` }, each),
      h("a", { class: "gear", href: `/console/settings/${name}/${each}`, title: `Settings of ${each}`, "aria-label": `Settings of ${each}` },
        h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" },
          h("path", { d: "M4 7h9M17 7h3M4 17h3M11 17h9" }), h("circle", { cx: 15, cy: 7, r: 2 }), h("circle", { cx: 9, cy: 17, r: 2 })))))),
    !shown.length && !fault && h("p", { class: "muted" }, "No Logstores yet."));
}

function plural(count, word) {
  return `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;
}

start();
