/** What several views show alike. */

import * as api from "./api.js";
import { glyph, h, slot } from "./dom.js";
import { ago, bytes, counted, dateOf, duration, kindName, shortened, shortMoment } from "./format.js";
import { route } from "./routes.js";

export const STATES = ["queued", "running", "waiting", "interrupted", "done", "incomplete", "failed", "gone", "cancelled"];
export const FINAL = new Set(["done", "incomplete", "failed", "gone", "cancelled"]);

export const isFinal = (pull) => FINAL.has(pull.state);

/** Heading of a view: it gets the focus when the view is opened. */
export const title = (...children) => h("h1", { tabindex: "-1" }, ...children);

/** A state by word, shape and colour. */
export const badge = (state) => h("span", { class: `badge ${state}` }, glyph(state), state);

/** A moment by the clock, with its zone, and how long ago that was. */
export function moment(text) {
  const date = text ? dateOf(text) : null;
  if (!date) return h("span", { class: "none" }, text ?? "–");
  return h(
    "time",
    { datetime: date.toISOString(), title: date.toISOString() },
    h("span", {}, shortMoment(date)),
    " ",
    h("span", { class: "ago" }, ago(date)),
  );
}

/** What says how long ago a moment was goes on being true. */
export function tick() {
  for (const it of document.querySelectorAll("time > .ago")) it.textContent = ago(new Date(it.parentElement.dateTime));
}

export const digest = (text) => h("code", { class: "digest", title: text }, shortened(text));

/** What a job is of, as a person names it; of a restore, with the registry that it goes to. */
export function nameOf(job) {
  const what = job.match ? job.match.patterns.join("  ") : shortened(job.image);
  return (job.target ? `${what} → ${job.target}` : what) || job.id;
}

/** Why there is a job. */
export function whyOf({ kind, parent }) {
  if (!parent) return kindName(kind);
  return kind === "restore-image" ? "by a restore" : "by a pull of many";
}

/** Terms and what they are; pairs whose second is null are left out. */
export function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    { class: "facts" },
    told.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}

/** Roles are said outright, since the narrow layout makes blocks of rows. `headings` are `[text, class]`. */
export function table(caption, headings, name = "") {
  const body = h("tbody", { role: "rowgroup" });
  const head = headings.map(([text, kind]) => h("th", { role: "columnheader", scope: "col", class: kind }, text));
  const element = h(
    "table",
    { role: "table", class: name },
    h("caption", { class: "unseen" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    body,
  );
  return { element, body, wrapped: h("div", { class: "wide" }, element) };
}

/** Cells in the order of the headings; the first names the row. `label` is shown where the layout has no headings. */
export function row(cells) {
  return h(
    "tr",
    { role: "row" },
    cells.map(({ class: kind, label, content }, index) =>
      h(
        index ? "td" : "th",
        { role: index ? "cell" : "rowheader", scope: index ? null : "row", class: kind, "data-label": label },
        content,
      ),
    ),
  );
}

/** A failure or a job's error: what came back, what was asked, what to do. */
export function trouble({ asked, answered, remedy, code, fields = [] }) {
  return h(
    "div",
    { class: "trouble" },
    h("p", { class: "cause" }, glyph("failed"), h("strong", {}, sentence(answered)), code ? h("code", {}, code) : null),
    fields.length > 1
      ? h(
          "ul",
          {},
          fields.map((it) => h("li", {}, h("code", {}, it.field), ` ${it.problem}`)),
        )
      : null,
    h("p", { class: "asked" }, h("span", {}, "Asked: "), asked),
    h("p", { class: "remedy" }, h("span", {}, "What to do: "), remedy),
  );
}

/** A place for a Failure, which a screen reader says at once. */
export function alertBox() {
  const element = h("div", { role: "alert", class: "alert" });
  const fill = slot(element);
  return {
    element,
    show: (failure) => fill(failure && [failure.message, failure.status], () => failure && trouble(failure)),
  };
}

/** How far a job is: a bar while it is under way, then figures. */
export function progress() {
  const bar = h("progress", { max: "1", value: "0" });
  const text = h("span", { class: "figures" });
  const element = h("span", { class: "progress" }, bar, text);
  function update(pull, extra = "") {
    const { bytes_done: done, bytes_total: total, layers_total: layers } = pull.progress;
    bar.hidden = isFinal(pull) || pull.match !== null || !(total > 0);
    bar.setAttribute("aria-label", `Progress of ${nameOf(pull)}`);
    if (!bar.hidden) bar.value = done / total;
    text.textContent = [figures(pull, done, total, layers), extra].filter(Boolean).join(" · ");
  }
  return { element, update };
}

const COPIES = new Set(["event", "pull"]);

function figures(pull, done, total, layers) {
  if (pull.match) {
    const { requested, listed, dry_run: dry } = pull.match;
    return `${requested.toLocaleString("en")} of ${counted(listed, "tag")} ${dry ? "would be" : "were"} requested`;
  }
  if (pull.next_attempt && (pull.state === "waiting" || pull.state === "interrupted")) {
    return `again ${pull.state === "waiting" ? "at" : "by"} ${shortMoment(dateOf(pull.next_attempt))}`;
  }
  if (pull.kind === "audit") return done > 0 ? `${bytes(done)} hashed` : "";
  if (!(total > 0)) return COPIES.has(pull.kind) && (layers > 0 || pull.state === "done") ? "nothing was missing" : "";
  if (isFinal(pull) && done === total) return `${bytes(total)}, ${counted(layers, "blob")}`;
  return `${Math.floor((100 * done) / total)} % · ${bytes(done)} of ${bytes(total)}`;
}

/** The buttons that a job's state allows; `after` gets the job as it is then, or the Failure. */
export function actions(pull, after) {
  const act = (word, send) =>
    h(
      "button",
      {
        type: "button",
        "aria-label": `${word} ${nameOf(pull)}`,
        onclick: async ({ currentTarget }) => {
          currentTarget.setAttribute("aria-disabled", "true");
          try {
            after(await send(pull.id), null);
          } catch (error) {
            if (!(error instanceof api.Failure)) throw error;
            currentTarget.removeAttribute("aria-disabled");
            after(null, error);
          }
        },
      },
      word,
    );
  if (pull.kind === "audit") {
    const cancel = async (id) => ({ ...pull, state: (await api.cancelAudit(id)).state });
    return isFinal(pull) ? [] : [act("Cancel", cancel)];
  }
  if (pull.state === "done") return [];
  if (isFinal(pull)) return pull.kind === "unreadable" ? [] : [act("Retry", api.retry)];
  if (pull.cancel_requested && pull.state !== "interrupted") return [h("span", { class: "none" }, "stopping…")];
  return [pull.state === "interrupted" ? act("Retry", api.retry) : null, act("Cancel", api.cancel)].filter(Boolean);
}

export const jobLink = ({ id, kind }, ...children) =>
  h("a", { href: route(kind === "audit" ? "audits" : "job", id) }, ...children);

export const imageLink = (reference, ...children) => h("a", { href: route("image", reference) }, ...children);

/** A link to what follows, and one back to the beginning. */
export function paging({ first, more, firstText, moreText }) {
  if (!first && !more) return null;
  return h(
    "nav",
    { class: "paging", "aria-label": "More of the list" },
    first ? h("a", { href: first, id: "paging-first" }, firstText) : null,
    more ? h("a", { href: more, id: "paging-more" }, moreText) : null,
  );
}

/** Since when a job is under way and how fast it is, from one look at it to the next. */
export function speedometer() {
  let before = null;
  return (pull) => {
    const now = { at: performance.now(), done: pull.progress.bytes_done };
    const past = before;
    if (past === null || now.done !== past.done) before = now;
    if (past === null || pull.state !== "running" || now.done <= past.done) return "";
    const rate = (now.done - past.done) / ((now.at - past.at) / 1000);
    const left = (pull.progress.bytes_total - now.done) / rate;
    return `${bytes(rate)}/s${left > 1 ? `, about ${duration(left)} left` : ""}`;
  };
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
