/**
 * Keys of the search page. They do nothing while somebody types or a dialog is open.
 */

import { at } from "./dom.js";
import { help, isTyping } from "./frame.js";

/** @param {Object<string, () => void>} doing key to what it does */
export function start(doing) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target === at("query")) at("query").blur();
    if (isTyping(event) || document.querySelector("dialog[open]")) return;
    const run = event.key === "?" ? help : doing[event.key];
    if (run === undefined) return;
    // A button that has the focus is pressed by Enter; the letters are the page's.
    event.preventDefault();
    run();
  });
}
