/**
 * Calls of the console's own API (`console/application.py`), with the session's cookie.
 *
 * A call that fails throws a `Failure` whose sentence is for people; without a session the page
 * goes to the log-in and comes back.
 */

const ROOT = "/console/api";
const BUSY_WAITS = [400, 1200, 3000];

/** What went wrong, in the service's words. */
export class Failure extends Error {
  /** @param {string} code @param {string} sentence @param {number} status */
  constructor(code, sentence, status) {
    super(sentence);
    this.code = code;
    this.status = status;
  }
}

let known = null;

/** The session: `key`, `project`, `rights`, `mayRead`, `mayChange`, `csrf`. Asked for once. */
export function session() {
  known ??= get("/session");
  return known;
}

/** @returns {string} the path of a Logstore. */
export function pathOf(project, logstore) {
  return `/projects/${encodeURIComponent(project)}/logstores/${encodeURIComponent(logstore)}`;
}

/** GET a document. @param {string} path @param {Object} [query] @param {AbortSignal} [signal] */
export async function get(path, query = {}, signal = undefined) {
  const text = new URLSearchParams(query).toString();
  const answer = await send(path + (text ? `?${text}` : ""), { signal });
  return read(answer);
}

/** Send a document by POST, PUT or DELETE; what comes back, or null. */
export async function change(method, path, document, signal = undefined) {
  return read(await raw(method, path, document, signal));
}

/** The same, as the whole answer. */
export async function raw(method, path, document, signal = undefined) {
  const { csrf } = await session();
  const headers = { "x-loghub-csrf": csrf };
  if (document !== undefined) headers["content-type"] = "application/json";
  const body = document === undefined ? undefined : JSON.stringify(document);
  return send(path, { method, headers, body, signal });
}

async function send(path, options) {
  for (let round = 0; ; round++) {
    let answer;
    try {
      answer = await fetch(ROOT + path, { credentials: "same-origin", ...options });
    } catch (fault) {
      if (fault.name === "AbortError") throw fault;
      throw new Failure("Unreachable", "The service does not answer. Is it running, and is your network?", 0);
    }
    if (answer.ok) return answer;
    // A full queue of queries empties in a moment: people should not have to press again.
    if (answer.status === 503 && round < BUSY_WAITS.length) {
      await new Promise((done) => setTimeout(done, BUSY_WAITS[round]));
      continue;
    }
    throw await failure(answer);
  }
}

async function failure(answer) {
  let found = {};
  try { found = await answer.json(); } catch { /* no document: a proxy's answer */ }
  const code = String(found.errorCode ?? `HTTP ${answer.status}`);
  if (code === "SessionExpired") {
    const here = location.pathname + location.search;
    location.assign(`/console/login?next=${encodeURIComponent(here)}`);
  }
  return new Failure(code, String(found.errorMessage ?? "The service gave no reason."), answer.status);
}

async function read(answer) {
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}
