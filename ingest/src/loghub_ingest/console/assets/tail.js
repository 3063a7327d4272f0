/**
 * Following live: asks every second for what came since, and goes on from where it was. Nothing is
 * missed or shown twice; what a page keeps is bounded.
 */

import * as api from "./api.js";
import { here } from "./frame.js";

const WAIT_MS = 1000;
const HIDDEN_WAIT_MS = 5000;
const RETRY_MS = 3000;

/** One tail, from `start` to `stop`. */
export class Tail {
  /**
   * @param {string} query
   * @param {{begun: (marks: object) => void, records: (records: object[], leftOut: number) => void, trouble: (fault: Error | null) => void}} told
   */
  constructor(query, told) {
    this.query = query;
    this.told = told;
    this.position = null;
    this.stopping = new AbortController();
  }

  /** Follow until stopped, or until the service refuses. */
  async start() {
    let troubled = false;
    while (!this.stopping.signal.aborted) {
      try {
        const isBehind = await this.#look();
        if (troubled) this.told.trouble(null);
        troubled = false;
        if (!isBehind) await wait(document.hidden ? HIDDEN_WAIT_MS : WAIT_MS, this.stopping.signal);
      } catch (fault) {
        if (this.stopping.signal.aborted) return;
        troubled = true;
        this.told.trouble(fault);
        // The service's own word is final; one that is away or busy comes back.
        if (fault.status >= 400 && fault.status < 500 && fault.status !== 403) return;
        await wait(RETRY_MS, this.stopping.signal);
      }
    }
  }

  /** No more. */
  stop() {
    this.stopping.abort();
  }

  async #look() {
    const path = `${api.pathOf(here.project, here.logstore)}/tail`;
    const given = { query: this.query, position: this.position };
    const found = await api.change("POST", path, given, this.stopping.signal);
    if (this.stopping.signal.aborted) return false; // what came too late is of no page any more
    this.position = found.position;
    if (found.marks) this.told.begun(found.marks);
    if (found.records.length || found.left_out) this.told.records(found.records, found.left_out);
    return !found.at_end;
  }
}

function wait(milliseconds, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    }, { once: true });
  });
}
