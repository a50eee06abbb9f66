/**
 * Retrying all jobs of one cause: one after the other, so that an instance that answers one request at a time still
 * answers others. A run goes on while other views are open, and ends with the tab.
 */

import * as api from "./api.js";

/** More in a row, and what refuses them refuses all. */
const REFUSALS_IN_A_ROW = 5;
const LONGEST_WAIT = 15;
/** The button that stops is where the one was that began. */
const DOUBLE_CLICK_MS = 600;

const runs = new Map();

/** The run of a cause, over or not; undefined if there was none in this tab. */
export const runOf = (key) => runs.get(key);

/** Those whose card has to stay, though their jobs are not failed any more. */
export const allRuns = () => [...runs.values()];

/** Those that are over are not shown any longer. */
export function forgetFinished() {
  for (const [key, run] of runs) if (run.over) runs.delete(key);
}

export const retriable = (cause) => cause.jobs.filter((it) => it.kind !== "unreadable");

/** Sends each job of the cause again, the oldest first. `retried` is told to the document after each. */
export async function retryAll(cause) {
  const jobs = retriable(cause).reverse();
  const run = { cause, total: jobs.length, tried: 0, sent: 0, refused: [], stopped: "", over: false, begun: performance.now() };
  runs.set(cause.key, run);
  let inARow = 0;
  for (const job of jobs) {
    if (run.stopped) break;
    tell(run);
    const failure = await attempt(job);
    run.tried += 1;
    inARow = failure && !isPast(failure) ? inARow + 1 : 0;
    if (failure) run.refused.push({ job, failure });
    else run.sent += 1;
    if (failure?.status === 401) run.stopped = "the key was not taken";
    else if (inARow >= REFUSALS_IN_A_ROW && run.tried < run.total) run.stopped = `${inARow} in a row were refused`;
  }
  run.over = true;
  tell(run);
}

const tell = (run) => document.dispatchEvent(new CustomEvent("retried", { detail: run }));

export function stop(run) {
  if (performance.now() - run.begun < DOUBLE_CLICK_MS) return;
  run.stopped = "you stopped it";
  tell(run);
}

/** Of this job alone: somebody else has retried it, or its record is gone. */
const isPast = ({ status }) => status === 409 || status === 404;

/** Null, or why it was refused. What asks for patience gets it once. */
async function attempt(job) {
  for (let left = 1; ; left -= 1) {
    try {
      await api.retry(job.id);
      return null;
    } catch (error) {
      if (!(error instanceof api.Failure)) throw error;
      if (left === 0 || (error.status !== 429 && error.status !== 503)) return error;
      const seconds = Math.min(LONGEST_WAIT, Math.max(1, error.retryAfter));
      await new Promise((done) => setTimeout(done, seconds * 1000));
    }
  }
}
