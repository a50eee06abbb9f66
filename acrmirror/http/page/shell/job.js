/** One job: how far it is, layer by layer, when what happened, and what to do if it failed. */

import * as api from "./api.js";
import { h, keyed, patch, slot } from "./dom.js";
import { bytes, counted, kindName, lasted } from "./format.js";
import {
  FINAL,
  actions,
  alertBox,
  badge,
  digest,
  facts,
  imageLink,
  isFinal,
  moment,
  nameOf,
  progress,
  speedometer,
  table,
  title,
  trouble,
} from "./parts.js";
import { poll } from "./poll.js";
import { askMany } from "./pull.js";
import { parseReference, route } from "./routes.js";
import * as tasks from "./task.js";

const RUNNING_SECONDS = 1;
const PENDING_SECONDS = 3;

export function job({ rest: id, signal, say }) {
  const failed = alertBox();
  const refused = alertBox();
  const heading = title("Job");
  const state = h("div", { class: "state" });
  const buttons = h("div", { class: "buttons" });
  const bar = progress();
  const error = h("div");
  const about = facts([]);
  const layers = layersTable();
  const many = h("div");
  const task = h("div");
  const notes = h("div");
  const fill = {
    heading: slot(heading),
    state: slot(state),
    error: slot(error),
    many: slot(many),
    task: slot(task),
    notes: slot(notes),
    buttons: slot(buttons, () => heading),
  };
  const speed = speedometer();
  let known = null;

  function show(pull) {
    fill.heading(nameOf(pull), () => nameOf(pull));
    document.title = `${nameOf(pull)} · acrmirror`;
    fill.state(pull.state, () => badge(pull.state));
    fill.buttons([pull.state, pull.cancel_requested], () => [...actions(pull, after), inMirror(pull)]);
    bar.update(pull, speed(pull));
    fill.error(pull.error, () => pull.error && trouble(pull.error));
    patch(about, facts(aboutJob(pull)));
    layers.update(pull.progress);
    fill.many(pull.match, () => pull.match && matched(pull, say));
    fill.notes([pull.notes, pull.left_out], () => remarks(pull));
    if (known !== null && known !== pull.state) say(`${nameOf(pull)} is ${pull.state}.`);
    known = pull.state;
  }

  const again = poll(
    async () => {
      const pull = await api.pull(id, signal);
      if (signal.aborted) return null;
      show(pull);
      if (tasks.isTask(pull)) {
        const more = await tasks.load(pull, signal);
        if (signal.aborted) return null;
        fill.task(more, () => tasks.shown(pull, more));
        return isFinal(pull) && imagesAreOver(more) ? null : PENDING_SECONDS;
      }
      if (pull.state === "running") return RUNNING_SECONDS;
      return isFinal(pull) && childrenAreOver(pull) ? null : PENDING_SECONDS;
    },
    signal,
    failed.show,
  );

  function after(pull, failure) {
    refused.show(failure);
    if (pull) show(pull);
    again();
  }

  return {
    title: "Job",
    nodes: [
      h("p", { class: "trail" }, h("a", { href: route("jobs") }, "Jobs")),
      h("div", { class: "head" }, heading, state, buttons),
      failed.element,
      refused.element,
      bar.element,
      error,
      about,
      many,
      task,
      layers.element,
      notes,
    ],
  };
}

/** Of a restore, which is done once all are requested. */
const imagesAreOver = ({ jobs, requested_images: requested, dry_run: dry }) => dry || !jobs || areOver(jobs, requested);

function childrenAreOver({ match }) {
  if (!match || !match.jobs) return true;
  return match.dry_run || areOver(match.jobs, match.requested);
}

/** After a run that was killed there are more jobs than the next one requested. */
function areOver(jobs, requested) {
  const counts = Object.entries(jobs);
  const over = counts.filter(([state]) => FINAL.has(state));
  return over.length === counts.length && over.reduce((sum, it) => sum + it[1], 0) >= requested;
}

function inMirror(pull) {
  const tagged = pull.tagged_digest && pull.tag ? `${pull.repository}:${pull.tag}` : null;
  const mirrored = tagged ?? (pull.mirrored_digest ? `${pull.repository}@${pull.mirrored_digest}` : null);
  return pull.state === "done" && mirrored && parseReference(mirrored) ? imageLink(mirrored, "See the image") : null;
}

function aboutJob(pull) {
  const kinds = Object.entries(pull.requests_by_kind)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ");
  const { layers_skipped: skipped, bytes_read: read, bytes_written: written, manifests } = pull.progress;
  const moved = read > 0 || written > 0 ? `${bytes(read)} read, ${bytes(written)} written` : null;
  return [
    ["Why", kindName(pull.kind)],
    ["Requested by", pull.parent && h("a", { href: route("job", pull.parent) }, pull.kind === "restore-image" ? "a restore" : "a pull of many")],
    ["Received", moment(pull.received)],
    ["Started", pull.started && moment(pull.started)],
    ["Finished", pull.finished && moment(pull.finished)],
    [pull.finished ? "Took" : "So far", lasted(pull.started, pull.finished)],
    [pull.state === "interrupted" ? "Comes again by" : "Next attempt", pull.next_attempt && moment(pull.next_attempt)],
    ["Delivered", pull.deliveries > 1 ? counted(pull.deliveries, "time") : null],
    ["Failed attempts", pull.attempt > 0 ? String(pull.attempt) : null],
    ["Platforms", pull.platforms.join(", ")],
    ["Forced", pull.force ? "yes: all is looked at again" : null],
    ["Moved", moved],
    ["In the mirror already", skipped > 0 ? counted(skipped, "blob") : null],
    ["Manifests", manifests > 0 ? String(manifests) : null],
    ["Referrers", pull.referrers > 0 ? String(pull.referrers) : null],
    ["Requests to the registry", pull.requests > 0 ? `${counted(pull.requests, "time")}${kinds ? `: ${kinds}` : ""}` : null],
    ["Digest", pull.mirrored_digest && digest(pull.mirrored_digest)],
    ["Tag set to", pull.tagged_digest && digest(pull.tagged_digest)],
    ["Job", h("code", {}, pull.id)],
  ];
}

function layersTable() {
  const { body, wrapped } = table(
    "Layers and configs",
    [["Blob"], ["Size", "number"], ["Progress", "progress-cell"], ["State"]],
    "layers stacking",
  );
  const heading = h("h2", {}, "Layers");
  const element = h("section", { hidden: true }, heading, wrapped);
  const rows = keyed(body, (layer) => layer.digest, layerRow);
  return {
    element,
    update: ({ layers, layers_total: total }) => {
      element.hidden = layers.length === 0;
      heading.textContent = total > layers.length ? `The first ${layers.length} of ${total} layers` : "Layers";
      rows(layers);
    },
  };
}

function layerRow(first) {
  const bar = h("progress", { max: "1", "aria-label": `Progress of ${first.digest.slice(0, 19)}` });
  const state = h("td", { role: "cell", class: "layer-state" });
  const size = h("td", { role: "cell", class: "number" });
  const element = h(
    "tr",
    { role: "row" },
    h("th", { role: "rowheader", scope: "row" }, digest(first.digest)),
    size,
    h("td", { role: "cell", class: "progress-cell" }, bar),
    state,
  );
  return {
    element,
    update: (layer) => {
      size.textContent = bytes(layer.size);
      const whole = layer.state === "done" || layer.state === "skipped";
      bar.className = whole ? "done" : "running";
      bar.value = whole ? 1 : layer.size > 0 ? layer.done / layer.size : 0;
      state.textContent = layer.state === "skipped" ? "in the mirror already" : layer.state;
    },
  };
}

function matched(pull, say) {
  const { match } = pull;
  const jobs = Object.entries(match.jobs ?? {});
  const failed = alertBox();
  const now =
    match.dry_run && ["done", "incomplete"].includes(pull.state) && match.requested > 0
      ? h(
          "p",
          {},
          h(
            "button",
            { type: "button", class: "main", onclick: () => askMany(match.patterns, false, failed, say) },
            `Pull ${match.requested === 1 ? "it" : `these ${match.requested.toLocaleString("en")}`} now`,
          ),
        )
      : null;
  return h(
    "section",
    {},
    h("h2", {}, match.dry_run ? "What would be requested" : "What was requested"),
    facts([
      ["Repositories", match.repositories.toLocaleString("en")],
      ["Manifests compared", match.manifests.toLocaleString("en")],
      ["Tags that match, and manifests without one", match.listed.toLocaleString("en")],
      ["In the mirror", match.mirrored.toLocaleString("en")],
      ["Under way already", match.under_way > 0 ? match.under_way.toLocaleString("en") : null],
      [match.dry_run ? "Would be requested" : "Requested", match.requested.toLocaleString("en")],
      [
        "Their jobs",
        jobs.length
          ? h(
              "ul",
              { class: "counts" },
              jobs.map(([state, count]) => h("li", {}, badge(state), ` ${count.toLocaleString("en")}`)),
            )
          : null,
      ],
    ]),
    failed.element,
    now,
    match.sample.length
      ? h(
          "details",
          { open: match.sample.length <= 20 },
          h("summary", {}, match.sample.length < match.requested ? `Some of them (${match.sample.length})` : "All of them"),
          h(
            "ul",
            { class: "names" },
            match.sample.map((it) => h("li", {}, it)),
          ),
        )
      : null,
  );
}

function remarks(pull) {
  const left = Object.entries(pull.left_out);
  return [
    pull.notes.length
      ? h(
          "section",
          {},
          h("h2", {}, "Notes"),
          h(
            "ul",
            {},
            pull.notes.map((it) => h("li", {}, it)),
          ),
        )
      : null,
    left.length
      ? h(
          "section",
          {},
          h("h2", {}, "Left out"),
          h(
            "ul",
            {},
            left.map(([blob, why]) => h("li", {}, digest(blob), ` ${why}`)),
          ),
        )
      : null,
  ];
}
