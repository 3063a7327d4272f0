/**
 * The index of a Logstore: which fields are searched and how, as a table, and as the document.
 */

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import * as frame from "./frame.js";
import { isolated } from "./text.js";

const DELIMITERS = [...", '\";=()[]{}?@&<>/:\n\t\r"];
const FULL_TEXT = { line: { token: DELIMITERS, caseSensitive: false, chn: false } };
const SHOWN_KEYS = 500;

/** @param {HTMLElement} place @param {string} path of the Logstore @param {boolean} mayChange */
export async function draw(place, path, mayChange) {
  const found = await api.get(`${path}/index`).catch((fault) => {
    if (fault.code === "IndexConfigNotExist") return null;
    throw fault;
  });
  const note = h("div");
  const act = async (method, document, words) => {
    try {
      await api.change(method, `${path}/index`, document);
      frame.toast(words);
      await draw(place, path, mayChange);
    } catch (fault) {
      fill(note, frame.problem(fault));
    }
  };
  if (found === null) return void fill(place, missing(mayChange, act), note);
  const { ttl: _ttl, lastModifyTime: _time, ...document } = found;
  const save = (keys, words) => act("PUT", { ...document, keys }, words);
  fill(place, summary(found), table(found.keys ?? {}, mayChange && save),
    mayChange && adding(found.keys ?? {}, save), mayChange && editor(document, act, note), note);
}

function missing(mayChange, act) {
  return [
    h("p", {}, "There is no index: records can be looked through, but not searched or analysed."),
    mayChange && h("p", {}, h("button", { type: "button", class: "primary tight", id: "make-index",
      onclick: () => act("POST", FULL_TEXT, "Every field is searched now") }, "Search every field")),
  ];
}

function summary(found) {
  const line = found.line;
  if (!line) return h("p", {}, "Only the fields below are searched.");
  const which = line.include_keys?.length ? `the fields ${line.include_keys.join(", ")}` : line.exclude_keys?.length
    ? `every field but ${line.exclude_keys.join(", ")}` : "every field";
  return h("p", {}, `Full text: ${which}${line.caseSensitive ? ", upper and lower case told apart" : ""}.`);
}

/** A field more, so that SQL and comparisons know it. */
function adding(keys, save) {
  const name = h("input", { required: true, maxlength: 128, placeholder: "Field", "aria-label": "Field", spellcheck: "false", autocapitalize: "none" });
  const kind = h("select", { "aria-label": "Type" }, ["text", "long", "double", "json"].map((each) => h("option", {}, each)));
  return h("form", { class: "inline", onsubmit: (event) => {
    event.preventDefault();
    const key = { type: kind.value, doc_value: true };
    if (kind.value === "text" || kind.value === "json") key.token = DELIMITERS;
    const rest = Object.entries(keys).filter(([other]) => other !== name.value);
    return save(Object.fromEntries([...rest, [name.value, key]]), `${name.value} is a field of the index now`);
  } }, name, kind, h("button", { class: "plain tight", id: "add-field" }, "Add a field"));
}

function table(keys, save) {
  const entries = Object.entries(keys);
  if (!entries.length) return h("p", { class: "muted" }, "No field has rules of its own. SQL needs them: fields with “doc_value” become columns.");
  return h("div", { class: "scroll" }, h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["Field", "Type", "SQL", "Alias", ""].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, entries.slice(0, SHOWN_KEYS).map(([name, key]) => h("tr", {},
      h("td", { class: "mono" }, isolated(name)), h("td", {}, String(key.type ?? "text")),
      h("td", {}, key.doc_value === false ? "no" : "yes"), h("td", {}, isolated(String(key.alias ?? ""))),
      h("td", { class: "doing" }, save && h("button", { type: "button", class: "plain tight quiet", "aria-label": `Remove ${name}`, onclick: () =>
        save(Object.fromEntries(Object.entries(keys).filter(([other]) => other !== name)), `${name} is no field of the index any more`) }, "Remove")))))));
}

function editor(document, act, note) {
  const text = h("textarea", { class: "mono", rows: 16, spellcheck: "false", "aria-label": "Index document" });
  text.value = JSON.stringify(document, null, 2);
  const save = () => {
    let given;
    try {
      given = JSON.parse(text.value);
    } catch (fault) {
      const failure = new api.Failure("NoJson", `This is no JSON: ${fault.message}`, 0);
      return void fill(note, frame.problem(failure));
    }
    return act("PUT", given, "The index is changed");
  };
  const remove = async () => {
    if (await frame.confirmed("Remove the index?", "Records stay, and can be searched again once there is one.", "Remove")) {
      await act("DELETE", undefined, "The index is removed");
    }
  };
  return h("details", {}, h("summary", {}, "Edit the document"), text,
    h("div", { class: "inline" },
      h("button", { type: "button", class: "primary tight", id: "save-index", onclick: save }, "Save"),
      h("button", { type: "button", class: "plain tight danger", onclick: remove }, "Remove the index")));
}
