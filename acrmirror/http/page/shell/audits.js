/** Audits: what each found when it read again all that is in the mirror. */

import * as api from "./api.js";
import { h, slot } from "./dom.js";
import { bytes, counted } from "./format.js";
import { alertBox, facts, isFinal, moment, row, table, title, trouble } from "./parts.js";
import { poll } from "./poll.js";
import { route } from "./routes.js";

const SECONDS = 10;

export function audits({ rest: id, signal }) {
  const failed = alertBox();
  const found = h("div");
  const fill = slot(found);
  poll(
    async () => {
      const it = id ? await api.audit(id, signal) : await api.audits(signal);
      if (signal.aborted) return null;
      fill(it, () => (id ? one(it) : list(it, failed)));
      const under = id ? [it] : it.audits;
      return under.some((each) => !isFinal(each)) ? SECONDS : null;
    },
    signal,
    failed.show,
  );
  const trail = id ? h("p", { class: "trail" }, h("a", { href: route("audits") }, "Audits")) : null;
  return { title: id ? `Audit ${id}` : "Audits", nodes: [trail, title(id ? "Audit" : "Audits"), failed.element, found].filter(Boolean) };
}

const told = (it) => (it.proven === null ? it.state : it.proven ? "proven" : "not proven");

/** What the table says came of it; while it is under way, with a button that ends it. */
function outcome(it, failed) {
  const word = told(it);
  if (isFinal(it)) return word;
  const cancel = async ({ currentTarget }) => {
    currentTarget.setAttribute("aria-disabled", "true");
    try {
      currentTarget.parentElement.replaceChildren(told(await api.cancelAudit(it.id)));
    } catch (error) {
      if (!(error instanceof api.Failure)) throw error;
      currentTarget.removeAttribute("aria-disabled");
      failed.show(error);
    }
  };
  const label = `Cancel the audit of ${it.requested}`;
  return h("span", {}, `${word} `, h("button", { type: "button", "aria-label": label, onclick: cancel }, "Cancel"));
}

function list({ audits: all, chain }, failed) {
  if (!all.length) return [h("p", { class: "empty" }, "There was no audit yet.")];
  const { body, wrapped } = table("Audits", [["Requested"], ["What came of it"], ["Blobs", "number"], ["Bytes", "number"], ["Faults left", "number"]], "stacking");
  body.append(
    ...all.map((it) =>
      row([
        { content: h("a", { href: route("audits", it.id) }, moment(it.requested)) },
        { content: outcome(it, failed) },
        { class: "number", content: it.checked.blobs.toLocaleString("en") },
        { class: "number", content: bytes(it.bytes) },
        { class: "number", content: it.faults_left.toLocaleString("en") },
      ]),
    ),
  );
  const broken = chain.length
    ? [h("h2", {}, "The reports are not as they were written"), h("ul", { class: "wrong" }, chain.map((it) => h("li", {}, it)))]
    : [];
  return [...broken, wrapped];
}

function one(it) {
  const { blobs, manifests, tags, links } = it.checked;
  return [
    facts([
      ["What came of it", told(it)],
      ["Requested", moment(it.requested)],
      ["Begun", it.started && moment(it.started)],
      ["Ended", it.finished && moment(it.finished)],
      ["Hashed", `${counted(blobs, "blob")}, ${bytes(it.bytes)}`],
      ["Checked", `${counted(manifests, "manifest")}, ${counted(tags, "tag")}, ${counted(links, "other link")}`],
      ["Report", it.report && h("code", { class: "whole" }, it.report.digest)],
      ["The report before it", it.report?.before && h("a", { href: route("audits", it.report.before) }, it.report.before)],
    ]),
    it.error ? trouble(it.error) : null,
    h("section", {}, h("h2", {}, "Faults"), it.faults.length ? faults(it) : h("p", { class: "empty" }, "None were found.")),
  ].filter(Boolean);
}

function faults(it) {
  const { body, wrapped } = table("What was wrong", [["What"], ["What became of it"], ["Why"], ["Tags that it breaks"]], "stacking");
  const sorted = [...it.faults].sort((one, other) => Number(one.mended) - Number(other.mended));
  body.append(
    ...sorted.map((fault) =>
      row([
        { content: fault.what },
        { content: fault.mended ? "mended" : fault.kind },
        { content: fault.why },
        { content: `${fault.breaks.join(", ")}${fault.breaks_more ? ` and ${fault.breaks_more} more` : ""}` },
      ]),
    ),
  );
  return wrapped;
}
