/** Asking again and again, gently: not while the tab is hidden, and ever more seldom while it fails. */

import { Failure } from "./api.js";

const LONGEST = 60;

/**
 * Calls `load` until `signal` is aborted; what it resolves with is how many seconds to wait, null for no more.
 * `told` gets the Failure of a call that failed, and null after one that did not. The function returned asks at once.
 */
export function poll(load, signal, told) {
  let timer = 0;
  let busy = false;
  let again = false;
  let misses = 0;

  async function turn() {
    clearTimeout(timer);
    if (busy) {
      again = true;
      return;
    }
    if (document.hidden) {
      document.addEventListener("visibilitychange", turn, { once: true, signal });
      return;
    }
    busy = true;
    let seconds;
    try {
      seconds = await attempt();
    } finally {
      busy = false;
    }
    if (signal.aborted) return;
    if (again) {
      again = false;
      turn();
    } else if (seconds !== null) {
      timer = setTimeout(turn, seconds * 1000);
    }
  }

  async function attempt() {
    try {
      const seconds = await load();
      misses = 0;
      if (!signal.aborted) told(null);
      return seconds;
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof Failure)) throw error;
      told(error);
      if (error.status >= 400 && error.status < 500 && error.status !== 429) return null;
      misses += 1;
      return Math.max(error.retryAfter, Math.min(LONGEST, 2 ** misses));
    }
  }

  signal.addEventListener("abort", () => clearTimeout(timer));
  turn();
  return turn;
}
