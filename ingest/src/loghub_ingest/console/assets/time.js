/**
 * Times as people write them, and as the service takes them: whole unix seconds.
 *
 * An end of a range is text: `-15m` and `now` move with the clock, a number stays.
 */

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const RELATIVE = /^-(\d{1,6})([smhdw])$/;

/** Ranges one click away: text for the link, words for people. */
export const PRESETS = [
  ["-5m", "Last 5 minutes"], ["-15m", "Last 15 minutes"], ["-1h", "Last hour"],
  ["-6h", "Last 6 hours"], ["-24h", "Last 24 hours"], ["-7d", "Last 7 days"], ["-30d", "Last 30 days"],
];

/** Whether the text is an end of a range. */
export function isEnd(text) {
  return text === "now" || RELATIVE.test(text) || /^\d{1,10}$/.test(text);
}

/** Unix seconds of an end; `now` in milliseconds. The end of "now" holds the running second. */
export function seconds(text, now = Date.now()) {
  const found = RELATIVE.exec(text);
  if (found) return Math.max(0, Math.floor(now / 1000) - Number(found[1]) * UNITS[found[2]]);
  return text === "now" ? Math.floor(now / 1000) + 1 : Number(text);
}

/** A range as a person reads it. */
export function rangeText(from, to) {
  const preset = PRESETS.find(([text]) => text === from);
  if (preset && to === "now") return preset[1];
  if (to === "now" && RELATIVE.test(from)) return `Last ${from.slice(1)}`;
  const ends = [from, to].map((end) => (/^\d+$/.test(end) ? short(Number(end)) : end));
  const days = ends.map((end) => end.slice(0, 10));
  if (days[0] === days[1]) ends[1] = ends[1].slice(11);
  return ends.join(" – ");
}

/** `2026-11-25 14:03:07` in the zone that the person chose. */
export function short(unix) {
  return isoLike(unix * 1000).slice(0, 19);
}

/** The same with thousandths of a second. */
export function full(unix, nanoseconds = 0) {
  return isoLike(unix * 1000 + Math.floor(nanoseconds / 1e6)).slice(0, 23);
}

/**
 * A record's time in a list: without what all of them share.
 * @param {{date: boolean, part: boolean}} style whether the day and parts of a second are shown
 */
export function listed(unix, nanoseconds, style) {
  return full(unix, nanoseconds).slice(style.date ? 5 : 11, style.part ? 23 : 19);
}

/** Whether a moment is on this day. */
export function isToday(unix, now = Date.now()) {
  return short(unix).slice(0, 10) === isoLike(now).slice(0, 10);
}

/** What an `<input type="datetime-local">` holds. */
export function forInput(unix) {
  return isoLike(unix * 1000).slice(0, 19).replace(" ", "T");
}

/** Unix seconds of what was put in; NaN for nothing. */
export function fromInput(text) {
  return Math.floor(new Date(isUtc() ? `${text}Z` : text).getTime() / 1000);
}

/** Whether times are shown in UTC instead of the browser's own zone. */
export function isUtc() {
  try { return localStorage.getItem("loghub-zone") === "utc"; } catch { return false; }
}

/** Choose. */
export function setUtc(on) {
  try { localStorage.setItem("loghub-zone", on ? "utc" : "local"); } catch { /* for this page only */ }
}

/** The name of the zone that times are shown in. */
export function zone() {
  return isUtc() ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** A span in words of few letters: `90 s`, `15 min`, `3 h`, `2 d`. */
export function span(count) {
  if (count < 120) return `${count} s`;
  if (count < 7200) return `${Math.round(count / 60)} min`;
  return count < 172800 ? `${Math.round(count / 3600)} h` : `${Math.round(count / 86400)} d`;
}

function isoLike(milliseconds) {
  const moment = new Date(milliseconds);
  if (Number.isNaN(moment.getTime())) return "no time";
  const shifted = isUtc() ? moment : new Date(milliseconds - moment.getTimezoneOffset() * 60000);
  return shifted.toISOString().replace("T", " ");
}
