/** What a job of another kind than a copy says of itself: restores, archives, rebuilds of tags. */

import * as api from "./api.js";
import { h } from "./dom.js";
import { bytes, counted, shortened } from "./format.js";
import { badge, digest, facts, jobLink, moment, row, table } from "./parts.js";

const PATHS = { restore: "restores", archive: "archives", rebuild: "rebuilds" };
const SHOWN = { restore, archive, rebuild };

/** Whether there is more of a job than its record has. */
export const isTask = ({ kind }) => Object.hasOwn(PATHS, kind);

export const load = ({ kind, id }, signal) => api.task(PATHS[kind], id, signal);

export const shown = ({ kind }, task) => h("section", {}, SHOWN[kind](task));

const codes = (texts) => h("span", { class: "codes" }, texts.map((it) => h("code", {}, it)));
const number = (count) => count.toLocaleString("en");
const some = (count) => (count > 0 ? number(count) : null);

function restore(it) {
  const dry = it.dry_run;
  return [
    h("h2", {}, dry ? "What would be restored" : "What is restored"),
    facts([
      ["Into the registry", h("code", { class: "whole" }, it.target)],
      ["Patterns", codes(it.patterns)],
      ["As of", it.at && moment(it.at)],
      ["Prefix at the target", it.prefix && h("code", {}, it.prefix)],
      ["Tags that the target has elsewhere", it.overwrite ? "are set" : "are left"],
      ["Images chosen", number(it.listed)],
      [dry ? "Would be requested" : "Requested", number(it.requested_images)],
      ["Restored", dry ? null : number(it.restored)],
      ["At the target already", some(it.present)],
      ["Would be refused", some(it.refused)],
      [dry ? "Would be sent" : "Sent", bytes(it.bytes)],
      ["Requests to the target", some(it.requests)],
      ["Its images", counts(it.jobs)],
    ]),
    it.failures.length ? failures(it.failures) : null,
    sample(it.sample, it.requested_images),
  ];
}

function counts(jobs) {
  const entries = Object.entries(jobs);
  if (!entries.length) return null;
  return h(
    "ul",
    { class: "counts" },
    entries.map(([state, count]) => h("li", {}, badge(state), ` ${number(count)}`)),
  );
}

function failures(all) {
  const { body, wrapped } = table("Images that were not restored", [["Image"], ["State"], ["Why"]], "stacking");
  body.append(
    ...all.map((it) =>
      row([
        { class: "name", content: jobLink(it, shortened(it.image)) },
        { content: badge(it.state) },
        { class: "type", content: it.error ? `${shortened(it.error.answered)}. ${it.error.remedy}` : "" },
      ]),
    ),
  );
  return wrapped;
}

function sample(names, count) {
  if (!names.length) return null;
  return h(
    "details",
    { open: names.length <= 20 },
    h("summary", {}, names.length < count ? `Some of them (${names.length})` : "All of them"),
    h(
      "ul",
      { class: "names" },
      names.map((it) => h("li", {}, shortened(it))),
    ),
  );
}

function archive(it) {
  return [
    h("h2", {}, counted(it.images.length, "image")),
    it.link ? download(it.link) : null,
    facts([
      ["Form", it.form === "oci" ? "OCI layout" : "for docker load"],
      ["Platform", it.platform],
      ["As of", it.at && moment(it.at)],
      ["Size", it.size > 0 ? bytes(it.size) : null],
      ["Sent through the app", it.bytes_sent > 0 ? bytes(it.bytes_sent) : null],
    ]),
    sample(it.images, it.images.length),
  ];
}

function download({ url, expires }) {
  // Addresses of scripts are none that storage gives.
  if (!/^https?:\/\//.test(url)) return null;
  return h("p", {}, h("a", { href: url, rel: "noreferrer", download: "" }, "Download the archive"), " The link is good until ", moment(expires), ".");
}

function rebuild(it) {
  const { body, wrapped } = table("Tags", [["Tag"], ["Set to"]], "stacking");
  const tags = Object.entries(it.tags);
  body.append(...tags.map(([tag, found]) => row([{ class: "name", content: tag }, { content: digest(found) }])));
  return [
    h("h2", {}, it.dry_run ? "Tags that would be set" : "Tags that were set"),
    facts([
      ["Patterns", codes(it.patterns)],
      ["Tags whose links are well", it.overwrite ? "are set too" : "are left"],
      ["Tags looked at", number(it.looked_at)],
      [it.dry_run ? "Would be set" : "Set", number(it.set)],
    ]),
    tags.length ? wrapped : null,
  ];
}
