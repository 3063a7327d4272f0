/**
 * Shows text that anybody may have written. Control characters, which a terminal would obey, and
 * those that turn the direction of writing are shown as signs; colours of ANSI sequences become
 * colours. Everything ends up in text nodes.
 */

import { h } from "./dom.js";

/** Characters put on a page at once; of longer ones the beginning, with a way to the rest. */
export const MAX_SHOWN = 64 * 1024;

const SGR = /\x1b\[([0-9;]{0,40})m/y;
const SPECIAL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const PICTURES = 0x2400;

/**
 * A fragment that shows `value`.
 * @param {string} value
 * @param {[number, number][]} [marks] spans to be marked, in order, of UTF-16 units
 */
export function visible(value, marks = []) {
  const shown = value.length > MAX_SHOWN ? value.slice(0, MAX_SHOWN) : value;
  const out = document.createDocumentFragment();
  let place = 0;
  for (const [begin, end] of marks) {
    if (begin < place || end > shown.length) continue;
    plain(out, shown.slice(place, begin));
    const mark = h("mark");
    plain(mark, shown.slice(begin, end));
    out.append(mark);
    place = end;
  }
  plain(out, shown.slice(place));
  return out;
}

/** An element that keeps `value`'s direction of writing to itself. */
export function isolated(value, marks = [], attributes = {}) {
  const made = h("bdi", attributes);
  made.append(visible(value, marks));
  return made;
}

function plain(out, text) {
  let place = 0;
  let target = out;
  SPECIAL.lastIndex = 0;
  for (let found; (found = SPECIAL.exec(text)) !== null;) {
    const start = found.index;
    if (start > place) target.append(text.slice(place, start));
    SGR.lastIndex = start;
    const colour = SGR.exec(text);
    if (colour !== null) {
      target = coloured(out, colour[1]);
      place = SGR.lastIndex;
    } else {
      if (!(found[0] === "\r" && text[start + 1] === "\n")) target.append(sign(found[0]));
      place = start + 1;
    }
    SPECIAL.lastIndex = place;
  }
  if (place < text.length) target.append(text.slice(place));
}

function sign(character) {
  const code = character.charCodeAt(0);
  const name = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const shown = code < 0x20 ? String.fromCharCode(PICTURES + code) : code === 0x7f ? "\u2421" : `⟨${name}⟩`;
  return h("span", { class: "control", title: name }, shown);
}

function coloured(out, codes) {
  const classes = codes.split(";").map(Number).flatMap((code) => {
    if (code === 1) return ["bold"];
    if (code >= 31 && code <= 37) return [`ansi${code - 30}`];
    return code >= 91 && code <= 97 ? [`ansi${code - 90}`] : [];
  });
  if (!classes.length) return out;
  const made = h("span", { class: classes.join(" ") });
  out.append(made);
  return made;
}
