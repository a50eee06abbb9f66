/** The newest jobs, and how far each is. */

import * as api from "./api.js";
import { h, keyed, slot } from "./dom.js";
import { lasted, shortened } from "./format.js";
import {
  STATES,
  actions,
  alertBox,
  badge,
  isFinal,
  jobLink,
  moment,
  nameOf,
  paging,
  progress,
  table,
  title,
  whyOf,
} from "./parts.js";
import { poll } from "./poll.js";
import { askField } from "./pull.js";
import { route } from "./routes.js";

const PAGE = 25;
const RUNNING_SECONDS = 2;
const PENDING_SECONDS = 4;
const QUIET_SECONDS = 10;
const AUDITS_SECONDS = 30;

export function jobs({ query, signal, say }) {
  const { state = "", repository = "", last = "" } = query;
  const failed = alertBox();
  const refused = alertBox();
  const { element, body, wrapped } = jobTable("Jobs, newest first");
  const empty = h("p", { class: "empty", hidden: true });
  const more = h("div");
  const fillMore = slot(more);
  const rows = keyed(
    body,
    (pull) => pull.id,
    (pull) => jobRow(pull, after),
  );

  const audited = auditsBeside(signal);
  let fresh = false;
  const again = poll(
    async () => {
      const page = await api.pulls({ n: PAGE, state, repository, last }, signal);
      const { audits, failure } = repository ? NO_AUDITS : await audited({ state, last, until: page.last, fresh });
      fresh = false;
      if (signal.aborted) return null;
      // Ids sort as jobs are listed: the newest first.
      const all = [...page.pulls, ...audits].sort((one, other) => (one.id < other.id ? -1 : 1));
      rows(all);
      element.hidden = all.length === 0;
      empty.hidden = all.length > 0;
      empty.textContent = state || repository ? "There is no such job." : "There are no jobs yet.";
      fillMore([page.last, last], () =>
        paging({
          first: last && route("jobs", "", { state, repository }),
          firstText: "Newest",
          more: page.last && route("jobs", "", { state, repository, last: page.last }),
          moreText: "Older",
        }),
      );
      if (failure) throw failure;
      if (page.pulls.some((it) => it.state === "running")) return RUNNING_SECONDS;
      return page.pulls.every(isFinal) ? QUIET_SECONDS : PENDING_SECONDS;
    },
    signal,
    failed.show,
  );

  function after(pull, failure) {
    refused.show(failure);
    fresh = pull?.kind === "audit";
    if (pull) say(`${nameOf(pull)} is ${pull.cancel_requested && !isFinal(pull) ? "being cancelled" : pull.state}.`);
    again();
  }

  return {
    title: "Jobs",
    nodes: [
      title("Jobs"),
      askField({ say }),
      filters(state, repository),
      failed.element,
      refused.element,
      wrapped,
      empty,
      more,
    ],
  };
}

const NO_AUDITS = { audits: [], failure: null };

/** Audits that belong onto a page of the list, as its rows are: they have records of another kind, and change slowly.
 * A Failure does not keep the jobs from being shown. */
function auditsBeside(signal) {
  let known = [];
  let until = 0;
  return async ({ state, last, until: end, fresh }) => {
    let failure = null;
    try {
      if (fresh || performance.now() >= until) {
        known = (await api.audits(signal)).audits;
        until = performance.now() + AUDITS_SECONDS * 1000;
      }
    } catch (error) {
      if (!(error instanceof api.Failure)) throw error;
      failure = error;
    }
    const here = ({ id, state: its }) => (!state || its === state) && (!last || id > last) && (!end || id <= end);
    return { audits: known.filter(here).map(asJob), failure };
  };
}

const asJob = (audit) => ({
  ...audit,
  kind: "audit",
  image: "all that is in the mirror",
  received: audit.requested,
  match: null,
  parent: null,
  cancel_requested: false,
  progress: { bytes_done: audit.bytes, bytes_total: 0, layers_total: 0 },
});

export const jobTable = (caption) =>
  table(
    caption,
    [["Image"], ["State"], ["Progress", "progress-cell"], ["Requested"], ["Took", "number"], ["Action", "action"]],
    "jobs stacking",
  );

function filters(state, repository) {
  const one = (name, text) =>
    h(
      "a",
      {
        href: route("jobs", "", { state: name, repository }),
        id: `filter-${name || "all"}`,
        class: name,
        "aria-current": name === state ? "true" : null,
      },
      text,
    );
  const field = h("input", {
    id: "repository",
    type: "text",
    value: repository,
    spellcheck: "false",
    autocapitalize: "none",
    autocomplete: "off",
    placeholder: "team/app",
  });
  const form = h(
    "form",
    {
      role: "search",
      class: "inline",
      onsubmit: (event) => {
        event.preventDefault();
        location.hash = route("jobs", "", { state, repository: field.value.trim() });
      },
    },
    h("label", { for: "repository" }, "Repository"),
    field,
    h("button", { type: "submit", id: "repository-go" }, "Filter"),
  );
  return h(
    "div",
    { class: "filters" },
    h(
      "nav",
      { "aria-label": "Jobs by state" },
      h(
        "ul",
        { class: "chips" },
        [["", "all"], ...STATES.map((it) => [it, it])].map(([name, text]) => h("li", {}, one(name, text))),
      ),
    ),
    form,
  );
}

export function jobRow(first, after) {
  const link = jobLink(first, nameOf(first));
  const cells = {
    name: h("th", { role: "rowheader", scope: "row", class: "name" }, link),
    state: h("td", { role: "cell" }),
    progress: h("td", { role: "cell", class: "progress-cell" }),
    asked: h("td", { role: "cell", "data-label": "requested" }, moment(first.received)),
    took: h("td", { role: "cell", class: "number", "data-label": "took" }),
    action: h("td", { role: "cell", class: "action" }),
  };
  const why = h("div", { class: "why" });
  cells.name.append(why);
  const bar = progress();
  cells.progress.append(bar.element);
  const fillWhy = slot(why);
  const fillState = slot(cells.state);
  const fillAction = slot(cells.action, () => link);

  function update(pull) {
    fillState(pull.state, () => badge(pull.state));
    fillWhy([pull.kind, pull.error, pull.parent, pull.state], () => [
      h("span", { class: "kind" }, whyOf(pull)),
      pull.error && pull.state !== "cancelled"
        ? [
            h("p", { class: `cause ${pull.state}` }, shortened(`${pull.error.asked}: ${pull.error.answered}`)),
            h("p", { class: "remedy" }, pull.error.remedy),
          ]
        : null,
    ]);
    bar.update(pull);
    cells.took.textContent = lasted(pull.started, pull.finished) ?? "";
    fillAction([pull.state, pull.cancel_requested], () => actions(pull, after));
  }

  return { element: h("tr", { role: "row" }, Object.values(cells)), update };
}
