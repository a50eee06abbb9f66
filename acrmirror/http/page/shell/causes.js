/** Failures by their cause: one registry that answers 403 fails hundreds of jobs, and is one thing to mend. */

const DIGEST = /sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})/g;
const OBJECT = /\/(manifests|blobs|referrers|tags|uploads)\/[^\s?]+/g;

/** What was asked, without the names of this one job's image. */
export function general({ id, repository, tag }, asked) {
  let text = asked.replaceAll(id, "…");
  for (const name of [repository && tag ? `${repository}:${tag}` : "", repository]) {
    if (name) text = text.replace(whole(name), "…");
  }
  return text.replace(DIGEST, "…").replace(OBJECT, "/$1/…").replace(/…[:@]…/g, "…");
}

/** A name where it is no part of another: repository `app` is none of `app.azurecr.io`. */
function whole(name) {
  const quoted = name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return new RegExp(`(?<![\\w.-])${quoted}(?![\\w-]|\\.\\w)`, "gu");
}

/**
 * `[{ key, state, code, asked, answered, remedy, jobs }]`, those with most jobs first; `jobs` newest first, as given.
 * Jobs of one state that failed by the same code, at the same request but for names and numbers, have one cause.
 */
export function causes(jobs) {
  const found = new Map();
  for (const job of jobs) {
    const error = job.error ?? NO_ERROR[job.state] ?? NO_ERROR.failed;
    const asked = general(job, error.asked);
    const key = JSON.stringify([job.state, error.code, asked.replace(/\d+/g, "0")]);
    if (!found.has(key)) found.set(key, { key, state: job.state, ...error, asked, jobs: [] });
    found.get(key).jobs.push(job);
  }
  return [...found.values()].sort((one, other) => other.jobs.length - one.jobs.length);
}

const NO_ERROR = {
  interrupted: {
    code: "interrupted",
    asked: "run the job",
    answered: "its worker went away in the middle of it",
    remedy: "It runs again by itself within minutes, and goes on from what is staged.",
  },
  failed: { code: "", asked: "run the job", answered: "its record does not say why it failed", remedy: "Retry it." },
};
