/** The first page: whether anything is wrong, and what to press. */

import * as api from "./api.js";
import { TROUBLED, attention, cameTo, items, verdict } from "./attention.js";
import { glyph, h, keyed, slot } from "./dom.js";
import { counted } from "./format.js";
import { jobRow, jobTable } from "./jobs.js";
import { alertBox, isFinal, moment, nameOf, title } from "./parts.js";
import { poll } from "./poll.js";
import { forgetFinished } from "./retrying.js";
import { route } from "./routes.js";
import { strip } from "./strip.js";

const NEWEST = 8;
const MOST = 200;
const SECONDS = { jobs: [2, 10], stats: 20, listed: 55, health: 60 };

export function status({ signal, say }) {
  forgetFinished();
  const known = { stats: null, health: null, failures: null, refused: {} };
  let health = null;
  /** Of retries, to be said with the verdict that comes of them. */
  let outcome = "";
  /** By which counts the lists were read, and until when that is recent enough; `whole`: counts are behind. */
  let listed = { sign: "", until: 0, whole: false };
  const heading = title("Looking…");
  const looked = h("p", { class: "looked" });
  const banner = h("div", { class: "banner queued" }, heading, looked);
  const fillHeading = slot(heading);
  const glance = strip();
  const cards = attention();
  const nothing = h("p", { class: "empty", hidden: true }, "Nothing needs attention.");
  const more = h("p", { class: "figures", hidden: true }, `Of each state, the newest ${MOST} jobs are listed.`);
  const newest = newestJobs(signal, say, () => changed(), seen);

  function show() {
    const unseen = Object.values(known.refused).filter(Boolean);
    const found = items({ ...known, unseen });
    const whole = Boolean(known.stats && known.health && known.failures) && !unseen.length;
    const { tone, text } = verdict(found, whole);
    banner.className = `banner ${tone}`;
    fillHeading([tone, text], () => {
      document.title = `${text} · acrmirror`;
      if (tone !== "queued") say(`${outcome}${text}.`);
      outcome = "";
      return [glyph(tone === "waiting" ? "interrupted" : tone), h("span", {}, text)];
    });
    glance.update(known.stats, known.health);
    cards.update(found);
    cards.element.hidden = found.length === 0;
    more.hidden = !known.failures?.more;
    nothing.hidden = found.length > 0 || !whole;
  }

  function told(name, failure) {
    known.refused[name] = failure;
    show();
  }

  const again = poll(
    async () => {
      const failure = await attempt(async () => {
        known.stats = await api.stats(signal);
      });
      if (signal.aborted) return null;
      if (failure) known.stats = null;
      const counted = known.stats?.counted;
      looked.replaceChildren(...(counted ? ["Looked at ", moment(counted)] : []));
      show();
      const counts = known.stats?.jobs;
      const sign = JSON.stringify(TROUBLED.map((it) => counts?.[it]));
      if (sign !== listed.sign || performance.now() > listed.until) {
        const trusted = listed.whole ? null : counts;
        listed = { sign, until: performance.now() + SECONDS.listed * 1000, whole: false };
        try {
          known.failures = await troubled(trusted, signal);
        } catch (error) {
          // Not listed: the next turn tries again, and the failure stays until it was.
          listed.sign = "";
          throw error;
        }
      }
      if (signal.aborted) return null;
      show();
      // Last, since it may take ten seconds, and an instance may answer one request at a time.
      health ??= poll(look, signal, (it) => told("health", it));
      if (failure) throw failure;
      return SECONDS.stats;
    },
    signal,
    (failure) => told("stats", failure),
  );

  async function look() {
    known.health = await api.health(signal);
    if (!signal.aborted) show();
    return SECONDS.health;
  }

  /** The counts may be behind what was just done or seen. */
  function changed() {
    listed = { sign: "", until: 0, whole: true };
    again();
  }

  function seen(pulls) {
    const listedIds = new Set(known.failures?.jobs.map((it) => it.id));
    const unlisted = pulls.some((it) => TROUBLED.includes(it.state) && !listedIds.has(it.id));
    if (known.failures && unlisted) changed();
  }

  function retried({ detail: run }) {
    show();
    if (!run.over) return;
    outcome = `${cameTo(run)} `;
    say(outcome);
    changed();
  }

  document.addEventListener("retried", retried, { signal });
  show();
  const needs = h("section", {}, h("h2", {}, "Needs attention"), nothing, cards.element, more);
  const figures = [glance.element, needs];
  // On a phone what to press comes before figures, for the eye and for the keyboard.
  if (matchMedia("(max-width: 40rem)").matches) figures.reverse();
  return { title: "Status", nodes: [banner, ...figures, h("section", {}, h("h2", {}, "Newest jobs"), newest)] };
}

/** Null, or the Failure of a call. */
async function attempt(call) {
  try {
    await call();
    return null;
  } catch (error) {
    if (!(error instanceof api.Failure)) throw error;
    return error;
  }
}

/** `{ jobs, more }`: those that did not end well, the newest of each state first. What no job is in is not asked for;
 * without counts, each is. */
async function troubled(counts, signal) {
  const found = { jobs: [], more: false };
  for (const state of TROUBLED) {
    if (counts && !counts[state]) continue;
    const page = await api.pulls({ n: MOST, state }, signal);
    found.jobs.push(...page.pulls);
    found.more ||= page.last !== null;
  }
  return found;
}

function newestJobs(signal, say, changed, seen) {
  const failed = alertBox();
  const refused = alertBox();
  const { element, body, wrapped } = jobTable("Newest jobs");
  const empty = h("p", { class: "empty", hidden: true }, "There are no jobs yet: push an image, or ", h("a", { href: route("pull") }, "pull one"), ".");
  const more = h("p", { hidden: true }, h("a", { href: route("jobs") }, "All jobs"));
  const rows = keyed(body, (pull) => pull.id, (pull) => jobRow(pull, after));
  const again = poll(
    async () => {
      const { pulls, last } = await api.pulls({ n: NEWEST }, signal);
      if (signal.aborted) return null;
      rows(pulls);
      seen(pulls);
      element.hidden = !pulls.length;
      empty.hidden = pulls.length > 0;
      more.hidden = !last;
      return pulls.every(isFinal) ? SECONDS.jobs[1] : SECONDS.jobs[0];
    },
    signal,
    failed.show,
  );

  function after(pull, failure) {
    refused.show(failure);
    if (pull) say(`${nameOf(pull)} is ${pull.state}.`);
    again();
    changed();
  }

  return h("div", {}, failed.element, refused.element, wrapped, empty, more);
}
