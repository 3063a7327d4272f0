/**
 * Suggestions under the query: names of fields while a word is typed, frequent values after a
 * field's colon. They come from the side bar's sample; nothing is asked of the service for them.
 */

import { key, quoted } from "./asking.js";
import { fill, h } from "./dom.js";
import { isolated } from "./text.js";

const MOST = 8;
const VALUE = /(?:^|[\s(])((?:__tag__:)?[A-Za-z_][\w.-]*)\s*:\s*("?[^"\s()]*)$/;
const WORD = /(?:^|[\s(,])((?:__tag__:)?[\w.-]+)$/;

/**
 * @param {HTMLTextAreaElement} query
 * @param {HTMLElement} place where the suggestions go
 * @param {() => {name: string, top: [string, number][]}[]} known fields
 */
export function start(query, place, known) {
  let offered = [];
  let chosen = -1;
  const close = () => {
    offered = [];
    place.hidden = true;
    query.setAttribute("aria-expanded", "false");
    query.removeAttribute("aria-activedescendant");
  };
  const take = (each) => {
    const rest = query.value.slice(query.selectionEnd);
    query.value = query.value.slice(0, each.from) + each.text + rest;
    query.setSelectionRange(each.from + each.text.length, each.from + each.text.length);
    close();
    query.focus();
    query.dispatchEvent(new Event("input"));
  };
  const draw = () => {
    fill(place, ...offered.map((each, at) => h("li", {
      id: `suggestion-${at}`, role: "option", "aria-selected": String(at === chosen),
      onpointerdown: (event) => {
        event.preventDefault();
        take(each);
      },
    }, isolated(each.shown), h("span", { class: "count" }, each.note))));
    place.hidden = offered.length === 0;
    query.setAttribute("aria-expanded", String(!place.hidden));
    if (chosen >= 0) query.setAttribute("aria-activedescendant", `suggestion-${chosen}`);
    else query.removeAttribute("aria-activedescendant");
  };
  query.addEventListener("input", () => {
    offered = query.selectionStart === query.selectionEnd
      ? suggestions(query.value.slice(0, query.selectionStart), known()) : [];
    chosen = -1;
    draw();
  });
  query.addEventListener("blur", close);
  query.addEventListener("keydown", (event) => {
    if (!offered.length) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      chosen = (chosen + step + offered.length + (chosen < 0 && step < 0 ? 1 : 0)) % offered.length;
      draw();
    } else if (event.key === "Tab" && !event.shiftKey) take(offered[Math.max(0, chosen)]);
    else if (event.key === "Enter" && chosen >= 0) take(offered[chosen]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });
}

/** What may be meant before the cursor: what is shown, and the text that takes its place. */
export function suggestions(before, fields) {
  const value = VALUE.exec(before);
  const field = value && fields.find((each) => each.name === value[1]);
  if (field) {
    const typed = value[2].replace(/^"/, "").toLowerCase();
    const from = before.length - value[2].length;
    return field.top.filter(([text]) => text !== "" && text.toLowerCase().startsWith(typed)).slice(0, MOST)
      .map(([text, count]) => ({ from, shown: text, note: count.toLocaleString(), text: `${quoted(text)} ` }));
  }
  const word = WORD.exec(before);
  if (!word) return [];
  const typed = word[1].toLowerCase();
  const isSql = before.includes("|");
  return fields.filter(({ name }) => matches(name, typed)).slice(0, MOST).map(({ name }) => ({
    from: before.length - word[1].length, shown: name, note: "field", text: isSql ? name : `${key(name)}: `,
  }));
}

function matches(name, typed) {
  const own = name.toLowerCase();
  return own !== "__time__" && own !== "__time_ns_part__" && own !== typed
    && (own.startsWith(typed) || own.replace("__tag__:", "").startsWith(typed));
}
