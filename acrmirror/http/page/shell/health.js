/** Whether the app has all that it needs. */

import * as api from "./api.js";
import { described } from "./checks.js";
import { glyph, h, slot } from "./dom.js";
import { counted, duration } from "./format.js";
import { alertBox, facts, moment, title, trouble } from "./parts.js";
import { poll } from "./poll.js";
import { route } from "./routes.js";

const SECONDS = 30;
export function health({ signal, say }) {
  const failed = alertBox();
  const found = h("div");
  const fill = slot(found);
  let known = null;
  poll(
    async () => {
      const report = await api.health(signal);
      if (signal.aborted) return null;
      fill(report, () => shown(report));
      if (known !== report.ok) say(report.ok ? "All is well." : "Something is wrong.");
      known = report.ok;
      return SECONDS;
    },
    signal,
    failed.show,
  );
  return { title: "Health", nodes: [title("Health"), failed.element, found] };
}

const number = (count) => (count === null ? null : count.toLocaleString("en"));
const age = (seconds) => (seconds === null ? null : duration(seconds));

function shown(report) {
  const { ok, checks, dead_messages: dead } = report;
  return [
    h(
      "p",
      { class: `verdict ${ok ? "done" : "failed"}` },
      glyph(ok ? "done" : "failed"),
      ok ? "All is well." : "Something is wrong.",
    ),
    facts([
      ["Messages in the queue of pushes", number(report.queue_messages)],
      ["The oldest waits for", age(report.oldest_message_seconds)],
      ["Messages in the queue of sweeps", number(report.backfill_messages)],
      ["The oldest of these waits for", age(report.oldest_backfill_seconds)],
      ["Everything was compared", report.compared ? moment(report.compared) : "not yet"],
      [
        "The mirror was audited",
        h("a", { href: route("audits") }, report.audited ? moment(report.audited) : "not yet"),
      ],
      ["Damaged, missing or not readable then", report.faults_left ? number(report.faults_left) : null],
      ["In the poison queues, not in a record yet", dead ? number(dead) : null],
      ["App version", report.version],
    ]),
    h("ul", { class: "checks" }, [...checks].sort((one, other) => Number(one.ok) - Number(other.ok)).map(check)),
    section("Events that were refused", report.refused_events.map(refused)),
    section(
      "Risks",
      report.warnings.map((it) => h("li", {}, it)),
    ),
  ];
}

function check({ name, ok, error }) {
  const { looks, fails } = described(name);
  return h(
    "li",
    { class: "described" },
    h(
      "p",
      { class: `check-name ${ok ? "done" : "failed"}` },
      glyph(ok ? "done" : "failed"),
      h("strong", {}, name),
      h("span", { class: "outcome" }, ok ? "ok" : "failed"),
    ),
    looks
      ? h("p", {}, looks, " ", h("span", { class: ok ? "help" : null }, ok ? `If it fails: ${lowered(fails)}` : `While it fails: ${lowered(fails)}`))
      : null,
    error ? trouble(error) : null,
  );
}

const lowered = (text) => text.charAt(0).toLowerCase() + text.slice(1);

function refused({ event, asked, answered, remedy, first, last, times }) {
  return h(
    "li",
    {},
    h("p", { class: "cause" }, h("strong", {}, `${asked}: ${answered}`)),
    h("p", { class: "remedy" }, h("span", {}, "What to do: "), remedy),
    h("p", { class: "figures" }, h("code", {}, event), ` ${counted(times, "time")}, first `, moment(first), ", last ", moment(last)),
  );
}

function section(heading, rows) {
  return rows.length ? h("section", {}, h("h2", {}, heading), h("ul", { class: "checks" }, rows)) : null;
}
