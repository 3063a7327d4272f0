/**
 * Elements made of data. Text becomes text nodes, always: nothing of a record is ever markup, and
 * an attribute that could run something is refused.
 */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "rect", "line", "text", "circle", "polyline", "title"]);

/**
 * An element.
 * @param {string} tag
 * @param {Object<string, unknown>} [attributes] `on*` are listeners (functions), `class`, `data-*`
 *   and the rest are attributes; false, null and undefined leave one out.
 * @param {...(Node|string|number|null|false|undefined)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const made = SVG_TAGS.has(tag)
    ? document.createElementNS(SVG, tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (name === "style" || name.startsWith("on")) throw new TypeError(`no attribute ${name}`);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((each) => each || each === 0).map((each) =>
    each instanceof Node ? each : String(each)));
  return made;
}

/** Replace all that is in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter(Boolean));
  return element;
}

/** @returns {any} the element of an id, which every page that asks for it has. */
export function at(id) {
  return document.getElementById(id);
}

/** An icon drawn by one path. */
export function icon(path) {
  return h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: path }));
}
