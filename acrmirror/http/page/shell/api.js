/** Calls of the HTTP API, each as /api/v1/openapi.json describes it. The key goes into a header, never into an address. */

import * as key from "./key.js";

/** What a person is told: what was asked, what came back, what to do. */
export class Failure extends Error {
  constructor({ status = 0, code = "", asked, answered, remedy, fields = [], retryAfter = 0 }) {
    super(`${asked}: ${answered}. ${remedy}`);
    Object.assign(this, { status, code, asked, answered, remedy, fields, retryAfter });
  }
}

export const pulls = (query, signal) => call("GET", "pulls", { query, signal });
export const pull = (id, signal) => call("GET", `pulls/${encodeURIComponent(id)}`, { signal });
export const ask = (body) => call("POST", "pulls", { body });
export const retry = (id) => call("POST", `pulls/${encodeURIComponent(id)}/retry`);
export const cancel = (id) => call("DELETE", `pulls/${encodeURIComponent(id)}`);
export const repositories = (query, signal) => call("GET", "images", { query, signal });
export const tags = (repository, query, signal) =>
  call("GET", `images/${encodeURIComponent(repository)}`, { query, signal });
/** `reference` has been through `parseReference`: it has a tag or a digest, and nothing that would need quoting. */
export const image = (reference, signal) => call("GET", `images/${reference}`, { signal });
export const health = (signal) => call("GET", "health", { signal, reports: 503 });
export const stats = (signal) => call("GET", "stats", { signal });
export const audits = (signal) => call("GET", "audits", { signal });
export const audit = (id, signal) => call("GET", `audits/${encodeURIComponent(id)}`, { signal });
export const cancelAudit = (id) => call("DELETE", `audits/${encodeURIComponent(id)}`);
export const credentials = (signal) => call("GET", "credentials", { signal });
export const create = (body) => call("POST", "credentials", { body });
export const revoke = (name) => call("DELETE", `credentials/${encodeURIComponent(name)}`);
/** A job of `restores`, `archives` or `rebuilds`, with all that it says of itself. */
export const task = (kind, id, signal) => call("GET", `${kind}/${encodeURIComponent(id)}`, { signal });
/** The cheapest call that only a right key gets an answer to. */
export const knock = () => call("GET", "pulls", { query: { n: 1 } });

let asked = 0;

/** Tells the page how many calls have no answer yet. */
function count(change) {
  asked += change;
  document.dispatchEvent(new CustomEvent("asked", { detail: asked }));
}

/** The answer's JSON; that with the status `reports` is one, too. Throws Failure; after a 401 the key is forgotten. */
async function call(method, path, { query = {}, body, signal, reports } = {}) {
  const url = new URL(`/api/v1/${path}`, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value) url.searchParams.set(name, value);
  }
  const what = `${method} /api/v1/${path}`;
  const headers = { "x-functions-key": key.read() ?? "" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options = { method, headers, signal, body: body && JSON.stringify(body), cache: "no-store", redirect: "error" };
  let response, text;
  count(1);
  try {
    response = await fetch(url, options);
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    const remedy = "Look at the network, and whether the function app runs.";
    throw new Failure({ asked: what, answered: "the function app can't be reached", remedy });
  } finally {
    count(-1);
  }
  if (response.status === 401) {
    key.forget();
    const remedy = "Give one of its function keys.";
    const failure = new Failure({
      status: 401,
      asked: what,
      answered: "the function app did not take this key",
      remedy,
    });
    document.dispatchEvent(new CustomEvent("locked", { detail: failure }));
    throw failure;
  }
  const told = parsed(text);
  if (told !== null && (response.ok || response.status === reports)) return told;
  throw failureOf(response, told, what);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** From problem details (RFC 9457), or of an answer that the app did not write. */
function failureOf(response, told, what) {
  const status = response.status;
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  if (told === null || typeof told.detail !== "string") {
    const remedy = "Look into the function app's log.";
    return new Failure({ status, asked: what, answered: `it was answered ${status}`, remedy, retryAfter });
  }
  const end = `. ${told.remedy}`;
  const answered = told.detail.endsWith(end) ? told.detail.slice(0, -end.length) : told.detail;
  return new Failure({
    status,
    code: told.code,
    asked: told.asked,
    answered,
    remedy: told.remedy,
    fields: told.errors ?? [],
    retryAfter,
  });
}
