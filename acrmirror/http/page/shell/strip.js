/** Figures of the whole mirror in one strip; a figure that is not as it should be has a shape and a colour. */

import { glyph, h, slot } from "./dom.js";
import { ago, bytes, counted, dateOf, duration, shortMoment } from "./format.js";
import { route } from "./routes.js";

/** The newest push is late if it took, or has waited, for longer than this. */
const LATE_SECONDS = 300;

/** The strip, and a function that has it follow what is known; what is null is not known yet. */
export function strip() {
  const element = h("dl", { class: "strip", "aria-label": "The mirror at a glance" });
  const fills = new Map();
  function update(stats, health) {
    for (const cell of cells(stats, health)) {
      const { name } = cell;
      if (!fills.has(name)) {
        const place = h("div", {});
        element.append(place);
        fills.set(name, slot(place));
      }
      const { text, tone, more, link, moment } = cell;
      fills.get(name)([text, tone, more, moment], () => inside(name, text, tone, more, link, moment));
    }
  }
  return { element, update };
}

function inside(name, text, tone, more, link, moment) {
  const value = moment ? since(moment) : text;
  const shown = link ? h("a", { href: link }, value) : value;
  return [
    h("dt", {}, name),
    h("dd", { class: tone ?? null }, h("span", { class: "value" }, tone ? glyph(tone) : null, shown), below(more, moment)),
  ];
}

function below(more, moment) {
  const text = [moment ? shortMoment(dateOf(moment)) : null, more].filter(Boolean).join(" · ");
  return text ? h("span", { class: "more" }, text) : null;
}

/** How long ago first: that is what counts. */
function since(text) {
  const date = dateOf(text);
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, h("span", { class: "ago" }, ago(date)));
}

const UNKNOWN = "…";
const number = (count) => (count === null || count === undefined ? "not known" : count.toLocaleString("en"));

/** `[{ name, text | moment, more, tone, link }]`, always the same names in the same order. */
export function cells(stats, health) {
  return [registryCell(stats, health), healthCell(health), ...jobCells(stats), ...provenCells(stats), ...sizeCells(stats)];
}

function registryCell(stats, health) {
  const version = stats?.version ?? health?.version;
  return { name: "Registry", text: stats?.registry ?? UNKNOWN, more: version ? `acrmirror ${version}` : "" };
}

function healthCell(health) {
  const link = route("health");
  if (!health) return { name: "Health", text: "checking…", link };
  const failing = health.checks.filter((it) => !it.ok).length;
  if (failing) return { name: "Health", text: counted(failing, "check") + (failing === 1 ? " fails" : " fail"), tone: "failed", link };
  return { name: "Health", text: "well", more: `${counted(health.checks.length, "check")}`, tone: "done", link };
}

function jobCells(stats) {
  const names = ["Failed in 24 h", "Queue", "Lag", "Last event"];
  if (!stats) return names.map((name) => ({ name, text: UNKNOWN }));
  const { failed_24h: failed, lag_seconds: lag, last_event: event } = stats;
  return [
    {
      name: names[0],
      text: number(failed),
      tone: failed === null ? null : failed > 0 ? "failed" : "done",
      link: route("jobs", "", { state: "failed" }),
    },
    queueCell(names[1], stats),
    {
      name: names[2],
      text: lag === null ? "not known" : duration(lag),
      more: lag === null ? "no push in 7 days" : "of the newest push",
      tone: lag !== null && lag > LATE_SECONDS ? "waiting" : null,
    },
    event ? { name: names[3], moment: event } : { name: names[3], text: "none in 7 days" },
  ];
}

function queueCell(name, { queues, jobs }) {
  if (!queues) return { name, text: number(null) };
  const { pushes, backfill, poison } = queues;
  const more = [
    ...["running", "waiting"].filter((it) => jobs?.[it]).map((it) => `${number(jobs[it])} ${it}`),
    poison ? `${number(poison)} poison` : null,
  ];
  return { name, text: number(pushes + backfill), more: more.filter(Boolean).join(", "), tone: poison ? "waiting" : null };
}

function provenCells(stats) {
  const names = ["Last comparison", "Last proof"];
  if (!stats) return names.map((name) => ({ name, text: UNKNOWN }));
  const { last_comparison: compared, last_audit: audited } = stats;
  return [
    compared?.finished ? { name: names[0], link: route("job", compared.id), moment: compared.finished, ...drifted(compared) } : { name: names[0], text: "none in 7 days" },
    audited ? { name: names[1], link: route("audits"), ...timed(audited.finished), ...proven(audited) } : { name: names[1], text: "not yet", link: route("audits") },
  ];
}

/** Of an audit whose progress can't be read, the time is not known. */
const timed = (moment) => (moment ? { moment } : { text: UNKNOWN });

function drifted({ state, drift }) {
  if (state !== "done") return { more: state, tone: state };
  return drift ? { more: `drift of ${number(drift)}`, tone: "waiting" } : { more: "no drift" };
}

function proven({ state, proven: whole, faults }) {
  if (state === "failed") return { more: "it failed", tone: "failed" };
  return whole ? { more: "" } : { more: counted(faults, "fault"), tone: "failed" };
}

function sizeCells(stats) {
  const names = ["Stored", "Tags"];
  if (!stats) return names.map((name) => ({ name, text: UNKNOWN }));
  const { bytes_stored: stored, tags, repositories, computed } = stats;
  return [
    { name: names[0], text: stored === null ? "not known" : bytes(stored), more: computed ? `counted ${ago(dateOf(computed))}` : "" },
    { name: names[1], text: number(tags), more: repositories === null ? "not counted yet" : `in ${counted(repositories, "repository", "repositories")}`, link: route("images") },
  ];
}
