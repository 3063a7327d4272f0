/**
 * Light or dark: what the person chose, else what the system says. Loaded before the page is
 * drawn, so that nothing flashes; `frame.js` calls `loghubTheme.toggle`.
 */
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("loghub-theme"); } catch { return null; } };
  const apply = () => { root.dataset.theme = stored() || (system.matches ? "dark" : "light"); };
  apply();
  system.addEventListener("change", apply);
  window.loghubTheme = {
    toggle() {
      const next = root.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("loghub-theme", next); } catch { /* a private window forgets */ }
      root.dataset.theme = next;
    },
  };
})();
