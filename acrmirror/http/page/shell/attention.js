/** What needs a person: failures by cause, failing checks, what crashed, what comparing and audits found. */

import { glyph, h, keyed, slot } from "./dom.js";
import { counted, dateOf, shortened } from "./format.js";
import { causes } from "./causes.js";
import { described } from "./checks.js";
import { badge, jobLink, moment, nameOf, trouble } from "./parts.js";
import { allRuns, retriable, retryAll, runOf, stop } from "./retrying.js";
import { route } from "./routes.js";

/** States of jobs that did not end as they should have. */
export const TROUBLED = ["failed", "incomplete", "interrupted"];
/** What failed longer ago is in the list of jobs, and does not keep this page from being calm. */
export const DAYS = 7;
const NAMED = 3;
const LISTED = 200;

/**
 * `[{ key, severe, … }]`, what is worst first. `failures` is `{ jobs, more }`; any of the three may be null as long as it
 * is not known. `unseen` are Failures of calls that should have told.
 */
export function items({ stats, health, failures, unseen = [] }) {
  const since = Date.now() - DAYS * 86_400_000;
  // One whose time can't be read counts as recent.
  const recent = (failures?.jobs ?? []).filter((it) => !(dateOf(it.finished ?? it.started ?? it.received) < since));
  const found = [
    ...unseen.map((failure) => ({ key: `call ${failure.asked}`, severe: true, failure })),
    ...(health?.checks ?? []).filter((it) => !it.ok).map((check) => ({ key: `check ${check.name}`, severe: true, check })),
    ...causes(recent).map((cause) => ({ key: cause.key, severe: cause.state !== "interrupted", cause })),
    ...told(stats, health),
  ];
  const known = new Set(found.map((it) => it.key));
  // What was just retried says what became of it, though its jobs are not failed any more.
  const gone = allRuns().filter((run) => !known.has(run.cause.key));
  found.push(...gone.map((run) => ({ key: run.cause.key, severe: false, past: run.over, cause: { ...run.cause, jobs: [] } })));
  return found.sort((one, other) => Number(other.severe) - Number(one.severe));
}

/** What no check and no job tells of. */
function told(stats, health) {
  const failing = new Set((health?.checks ?? []).filter((it) => !it.ok).map((it) => it.name));
  const notes = [];
  const drift = stats?.last_comparison?.drift ?? 0;
  if (drift > 0) {
    notes.push({
      key: "drift",
      what: `The last comparison found ${counted(drift, "image")} missing in the mirror, or different.`,
      remedy: "They were requested. If it finds some again and again, look why their events do not arrive.",
      link: h("a", { href: route("job", stats.last_comparison.id) }, "The comparison"),
    });
  }
  const left = health?.faults_left ?? 0;
  if (left > 0 && !failing.has("audit")) {
    notes.push({
      key: "faults",
      severe: true,
      what: `The last audit left ${counted(left, "fault")}: damaged, missing or not readable.`,
      remedy: "Its report names each, and the tags that it breaks.",
      link: h("a", { href: route("audits") }, "To the audits"),
    });
  }
  const dead = health?.dead_messages ?? stats?.queues?.poison ?? 0;
  if (dead > 0 && !failing.has("dead-jobs") && !failing.has("dead-backfill-jobs")) {
    notes.push({
      key: "dead",
      what: `${counted(dead, "message")} in the poison queues: their jobs crashed too often.`,
      remedy: "They are moved into their records within a minute, and are listed here as failed then.",
    });
  }
  return notes.map((it) => ({ severe: false, ...it }));
}

/** `{ tone, text }`: what a person has to know first. `whole`: everything was looked at. */
export function verdict(found, whole) {
  const severe = found.filter((it) => it.severe).length;
  const rest = found.filter((it) => !it.severe && !it.past).length;
  if (severe) return { tone: "failed", text: severe === 1 ? "1 thing needs attention" : `${severe} things need attention` };
  if (!whole) return { tone: "queued", text: "Looking…" };
  if (rest) return { tone: "waiting", text: `All works, ${rest === 1 ? "1 thing" : `${rest} things`} to know` };
  return { tone: "done", text: "All is well" };
}

/** The list of cards, and a function that has it follow `items`. */
export function attention() {
  const list = h("ul", { class: "attention" });
  return { element: list, update: keyed(list, (it) => it.key, card) };
}

function card(first) {
  const element = h("li", {});
  const fill = slot(element);
  const inside = first.cause ? causeCard() : null;
  return {
    element,
    update: (item) => {
      element.className = item.severe ? "failed" : item.past ? "done" : "waiting";
      if (!inside) fill(item, () => (item.check ? checkCard(item.check) : item.failure ? trouble(item.failure) : note(item)));
      else {
        fill("cause", () => inside.nodes);
        inside.update(item.cause);
      }
    },
  };
}

function checkCard({ name, error }) {
  const { looks, fails } = described(name);
  return [
    headed(`Health check ${name} fails`, error?.code, h("a", { href: route("health") }, "All checks")),
    h("p", { class: "means" }, fails || looks),
    h("p", { class: "asked" }, h("span", {}, "Asked: "), shortened(`${error?.asked}: ${error?.answered}`)),
    remedy(error?.remedy),
  ];
}

function note({ what, remedy: text, link }) {
  return [headed(what, "", link), remedy(text)];
}

function headed(text, code, ...right) {
  return h(
    "div",
    { class: "headed" },
    h("p", { class: "cause" }, glyph("interrupted"), h("strong", {}, text), code ? h("code", {}, code) : null),
    h("div", { class: "buttons" }, right),
  );
}

const remedy = (text) => (text ? h("p", { class: "remedy" }, h("span", {}, "What to do: "), shortened(text)) : null);

function causeCard() {
  const about = h("div", { class: "about" });
  const buttons = h("div", { class: "buttons" });
  const which = h("div");
  const came = h("div", { class: "came", tabindex: "-1" });
  const fill = { about: slot(about), buttons: slot(buttons, () => came), which: slot(which), came: slot(came) };

  function update(cause) {
    const { state, answered, asked, code, remedy: text, jobs } = cause;
    const run = runOf(cause.key);
    fill.about([state, answered, asked, code, text, jobs.length], () => [
      h("p", { class: "cause" }, badge(state), h("strong", {}, shortened(sentence(answered))), code ? h("code", {}, code) : null),
      h("p", { class: "asked" }, h("span", {}, "Asked: "), asked),
      remedy(text),
    ]);
    const ids = jobs.map((it) => it.id);
    fill.buttons([ids, run && [run.over, run.stopped]], () => actions(cause, run));
    fill.which(ids, () => (jobs.length ? named(jobs) : null));
    fill.came(run && [run.tried, run.over, run.stopped], () => run && became(run));
  }

  return { nodes: [h("div", { class: "headed" }, about, buttons), which, came], update };
}

function actions(cause, run) {
  if (run && !run.over) {
    return run.stopped ? null : h("button", { type: "button", onclick: () => stop(run) }, "Stop");
  }
  const count = retriable(cause).length;
  if (!count) return null;
  const text = count === 1 ? "Retry" : `Retry all ${count.toLocaleString("en")}`;
  const label = `${text}: ${shortened(cause.answered)}`;
  const kind = cause.state === "interrupted" ? null : "main";
  return h("button", { type: "button", class: kind, "aria-label": label, onclick: () => retryAll(cause) }, text);
}

function named(jobs) {
  const newest = jobs[0];
  const link = (it) => jobLink(it, nameOf(it));
  const head = jobs.slice(0, NAMED).flatMap((it, index) => [index ? ", " : null, link(it)]);
  const when = h("span", { class: "when" }, "The last: ", moment(newest.finished ?? newest.started ?? newest.received));
  if (jobs.length <= NAMED) return h("p", { class: "which" }, head, when);
  return h(
    "details",
    { class: "which" },
    h("summary", {}, h("span", {}, counted(jobs.length, "job")), when),
    h(
      "ul",
      { class: "names" },
      jobs.slice(0, LISTED).map((it) => h("li", {}, link(it))),
    ),
  );
}

/** How far a run of retries is, in words. */
export function cameTo({ total, tried, sent, refused, stopped, over }) {
  const said = [
    over ? `${counted(sent, "job")} ${sent === 1 ? "was" : "were"} requested again` : `${tried} of ${total} tried`,
    refused.length ? `${refused.length} could not be` : "",
    over && stopped ? `${total - tried} not tried, since ${stopped}` : "",
  ];
  return `${said.filter(Boolean).join("; ")}.`;
}

function became(run) {
  const reasons = new Map();
  for (const { job, failure } of run.refused) {
    const why = `${shortened(failure.answered)}. ${failure.remedy}`;
    reasons.set(why, [...(reasons.get(why) ?? []), nameOf(job)]);
  }
  const told = ([why, names]) => h("li", {}, `${names[0]}${names.length > 1 ? ` and ${names.length - 1} more` : ""}: ${why}`);
  return [
    run.over ? null : h("progress", { max: run.total, value: run.tried, "aria-label": "Retries" }),
    h("p", { class: "figures" }, cameTo(run)),
    reasons.size ? h("ul", { class: "refused" }, [...reasons].map(told)) : null,
  ];
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
