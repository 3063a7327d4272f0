/**
 * What every page has around its content: the header, who is logged in, the list of keys, notes
 * that go away by themselves, and one way to say what went wrong.
 */

import * as api from "./api.js";
import { at, fill, h } from "./dom.js";

const TOAST_MS = 3200;

/** Project and Logstore of the page, empty where it is of none. */
export const here = {
  project: document.body.dataset.project ?? "",
  logstore: document.body.dataset.logstore ?? "",
};

/** Bring the frame to life; the session of the page. */
export async function start() {
  at("theme-button").addEventListener("click", () => window.loghubTheme.toggle());
  at("help-button").addEventListener("click", help);
  at("logout").addEventListener("click", logout);
  for (const dialog of document.querySelectorAll("dialog")) closable(dialog);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  const session = await api.session();
  fill(at("account-key"), session.key);
  const where = session.project ? `project ${session.project}` : "all projects";
  const rights = session.project ? session.rights.join(", ") : "every right";
  fill(at("account-rights"), `${where}: ${rights}`);
  if (here.logstore) fillSwitch();
  return session;
}

/** Show the list of keys. */
export function help() {
  if (!at("help").open) at("help").showModal();
}

/** A sentence that goes away by itself. */
export function toast(sentence) {
  const made = h("div", { class: "toast" }, sentence);
  at("toasts").append(made);
  setTimeout(() => made.remove(), TOAST_MS);
}

/**
 * A box that says what went wrong and what can be done.
 * @param {Error} fault
 * @param {...Node} ways buttons or links that lead out
 */
export function problem(fault, ...ways) {
  const code = fault instanceof api.Failure ? fault.code : "";
  if (!code) console.error(fault);
  const sentence = code ? fault.message : "The page has met a fault of its own. Load it again.";
  return h("div", { class: "notice bad", role: "alert", "data-code": code }, h("span", {}, sentence), ...ways);
}

/** Ask before something that cannot be undone. @returns {Promise<boolean>} */
export function confirmed(title, text, word) {
  const dialog = at("confirm");
  fill(at("confirm-title"), title);
  fill(at("confirm-text"), text);
  fill(at("confirm-yes"), word);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    at("confirm-yes").onclick = () => dialog.close("yes");
    at("confirm-no").onclick = () => dialog.close("");
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

/** Whether a key pressed is meant for a field, not for the page. */
export function isTyping(event) {
  const target = event.target;
  return target.closest?.("input, textarea, select, dialog[open] input") !== null
    || event.ctrlKey || event.metaKey || event.altKey;
}

/** Copy text; says so. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers give no clipboard to pages that are not encrypted: the old way.
    const field = h("textarea", { class: "off-screen", readonly: true });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast(`${what} copied`);
}

function closable(dialog) {
  for (const button of dialog.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => dialog.close());
  }
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

async function logout() {
  await api.change("POST", "/logout").catch(() => {});
  location.assign("/console/login");
}

async function fillSwitch() {
  const choice = at("switch");
  try {
    const path = `/projects/${encodeURIComponent(here.project)}/logstores`;
    const { logstores } = await api.get(path);
    fill(choice, ...logstores.map((name) =>
      h("option", { value: name, selected: name === here.logstore }, name)));
  } catch { /* the page itself says what is wrong */ }
  choice.addEventListener("change", () => {
    const page = location.pathname.split("/")[2];
    location.assign(`/console/${page}/${here.project}/${choice.value}`);
  });
}
