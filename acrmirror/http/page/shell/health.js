/** Whether the app has all that it needs. */

import * as api from "./api.js";
import { glyph, h, slot } from "./dom.js";
import { duration } from "./format.js";
import { alertBox, facts, moment, title, trouble } from "./parts.js";
import { poll } from "./poll.js";
import { route } from "./routes.js";

const SECONDS = 30;
const MEANING = {
  settings: "The settings are there and make sense",
  python: "The packages were built for the Python that runs",
  registry: "The registry lists repositories and tags for this identity",
  mirror: "The mirror's container can be read",
  links: "Links into storage can be signed",
  queue: "The queue of pushes can be read",
  "backfill-queue": "The queue of sweeps can be read",
  records: "The table of records can be read",
  events: "No event was refused",
  comparison: "Everything was compared with the registry in good time",
  audit: "The last audit left nothing damaged, and is not too long ago",
};

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
const age = (seconds) => (seconds === null ? null : `${duration(seconds)} old`);

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
      ["Jobs in the queue", number(report.queue_messages)],
      ["The oldest", age(report.oldest_message_seconds)],
      ["Sweeps and their jobs in the queue", number(report.backfill_messages)],
      ["The oldest of these", age(report.oldest_backfill_seconds)],
      ["Everything was compared", report.compared ? moment(report.compared) : "not yet"],
      [
        "The mirror was audited",
        h("a", { href: route("audits") }, report.audited ? moment(report.audited) : "not yet"),
      ],
      ["Damaged, missing or not readable then", report.faults_left ? number(report.faults_left) : null],
      ["Dead, and not in a record yet", dead ? number(dead) : null],
    ]),
    h(
      "ul",
      { class: "checks" },
      checks.map((it) =>
        h(
          "li",
          {},
          h(
            "p",
            { class: `check-name ${it.ok ? "done" : "failed"}` },
            glyph(it.ok ? "done" : "failed"),
            h("strong", {}, it.name),
            h("span", {}, it.ok ? (MEANING[it.name] ?? "") : "failed"),
          ),
          it.error ? trouble(it.error) : null,
        ),
      ),
    ),
  ];
}
