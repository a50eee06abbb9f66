/** Pull credentials: who may pull from the mirror, with what, until when. */

import * as api from "./api.js";
import { h, keyed, slot } from "./dom.js";
import { dateOf } from "./format.js";
import { alertBox, moment, table, title } from "./parts.js";
import { poll } from "./poll.js";

/** Of a credential that ends sooner, the end is set off. */
const SOON_DAYS = 14;
const REVOKED_SHOWN = 5;

export function access({ signal, say }) {
  const failed = alertBox();
  const refused = alertBox();
  const { element, body, wrapped } = table(
    "Pull credentials",
    [["Name"], ["Repositories"], ["Expires"], ["Created"], ["Action", "action"]],
    "credentials stacking",
  );
  const empty = h("p", { class: "empty", hidden: true }, "There are no pull credentials: nobody can pull with one.");
  const revoked = h("p", { class: "figures", hidden: true });
  const fillRevoked = slot(revoked);
  const rows = keyed(
    body,
    (it) => `${it.name} ${it.created}`,
    (it) => credentialRow(it, { after, refused, say }),
  );
  const again = poll(
    async () => {
      const list = await api.credentials(signal);
      if (signal.aborted) return null;
      rows(list.credentials);
      element.hidden = !list.credentials.length;
      empty.hidden = list.credentials.length > 0;
      revoked.hidden = !list.revoked.length;
      fillRevoked(list.revoked, () => revocations(list.revoked));
      return null;
    },
    signal,
    failed.show,
  );

  function after() {
    again();
  }

  return {
    title: "Access",
    nodes: [
      title("Access"),
      h(
        "p",
        { class: "help" },
        "A pull credential is a name and a password with which docker, containerd, podman and others pull from the mirror.",
      ),
      failed.element,
      refused.element,
      wrapped,
      empty,
      revoked,
      creating({ after, say }),
    ],
  };
}

const revocations = (all) => [
  "Last revoked: ",
  all.slice(0, REVOKED_SHOWN).map((it, index) => [index ? ", " : null, h("code", {}, it.name), " ", moment(it.revoked)]),
];

function credentialRow(it, { after, refused, say }) {
  const action = h("td", { role: "cell", class: "action" });
  const fill = slot(action);
  const offer = () => fill("offer", () => button("Revoke", `Revoke ${it.name}`, confirm));
  const confirm = () => {
    fill("confirm", () => [
      button("Revoke it", `Yes, revoke ${it.name}`, revoke, "danger"),
      button("Keep", `Keep ${it.name}`, offer),
    ]);
    action.querySelector("button").focus();
  };
  const revoke = async () => {
    try {
      refused.show(null);
      await api.revoke(it.name);
      say(`${it.name} is revoked. Instances may take it for a minute more.`);
    } catch (error) {
      if (!(error instanceof api.Failure)) throw error;
      refused.show(error);
      offer();
    }
    after();
  };
  offer();
  const element = h(
    "tr",
    { role: "row" },
    h("th", { role: "rowheader", scope: "row", class: "name" }, h("code", {}, it.name)),
    h("td", { role: "cell", class: "repositories", "data-label": "repositories" }, it.repositories.map((one) => h("code", {}, one))),
    h("td", { role: "cell", "data-label": "expires" }, ending(it.expires)),
    h("td", { role: "cell", "data-label": "created" }, moment(it.created)),
    action,
  );
  return { element, update: () => {} };
}

function ending(expires) {
  const left = (dateOf(expires) - Date.now()) / 86_400_000;
  if (left < 0) return h("span", { class: "ending failed" }, "expired ", moment(expires));
  return left < SOON_DAYS ? h("span", { class: "ending waiting" }, "soon: ", moment(expires)) : moment(expires);
}

const button = (text, label, onclick, kind = null) => h("button", { type: "button", class: kind, "aria-label": label, onclick }, text);

function creating({ after, say }) {
  const failed = alertBox();
  const made = h("div");
  const text = { type: "text", spellcheck: "false", autocapitalize: "none", autocomplete: "off" };
  const name = h("input", { ...text, id: "credential", required: true, maxlength: "63", placeholder: "aks-prod", "aria-describedby": "credential-help" });
  const repositories = h("input", { ...text, id: "repositories", placeholder: "*", "aria-describedby": "repositories-help" });
  const expires = h("input", { id: "expires", type: "date", "aria-describedby": "expires-help" });
  let busy = false;
  const form = h(
    "form",
    {
      class: "card",
      onsubmit: async (event) => {
        event.preventDefault();
        if (busy) return;
        busy = true;
        try {
          failed.show(null);
          made.replaceChildren();
          const patterns = repositories.value.split(/[\s,]+/).filter(Boolean);
          const body = { name: name.value.trim(), ...(patterns.length ? { repositories: patterns } : {}), ...(expires.value ? { expires: expires.value } : {}) };
          const credential = await api.create(body);
          form.reset();
          made.replaceChildren(...shownOnce(credential, say));
          made.querySelector("h3").focus();
          after();
        } catch (error) {
          if (!(error instanceof api.Failure)) throw error;
          failed.show(error);
          name.focus();
        } finally {
          busy = false;
        }
      },
    },
    h("h2", {}, "Create one"),
    h(
      "div",
      { class: "columns" },
      field(name, "Name", "What a client signs in as: lower-case letters, digits, '.', '_' and '-'."),
      field(repositories, "Repositories", "Patterns without tags; a ! in front excludes. Empty is all of them."),
      field(expires, "Expires", "At the end of that day in UTC. Empty is in 90 days."),
    ),
    failed.element,
    h("button", { type: "submit", class: "main" }, "Create"),
  );
  return h("div", {}, form, made);
}

function field(input, label, help) {
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, h("p", { id: `${input.id}-help`, class: "help" }, help));
}

/** The password is in the page until the view is left, and nowhere else. */
function shownOnce({ name, password }, say) {
  const copied = h("span", { class: "figures", role: "status" });
  const secret = h("code", { class: "whole secret" }, password);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(password);
      copied.textContent = "Copied.";
    } catch {
      // Not allowed here: what is selected can be copied by hand.
      getSelection().selectAllChildren(secret);
      copied.textContent = "It is selected: copy it by hand.";
    }
  };
  say(`${name} is created. Its password is shown once.`);
  return [
    h(
      "div",
      { class: "card made" },
      h("h3", { tabindex: "-1" }, `The password of ${name}`),
      h("p", {}, "It is shown this once. Only its hash is kept."),
      secret,
      h("div", { class: "buttons" }, h("button", { type: "button", class: "main", onclick: copy }, "Copy the password"), copied),
      h("p", { class: "help" }, "Sign in: ", h("code", { class: "whole" }, `docker login ${location.host} --username ${name} --password-stdin`)),
    ),
  ];
}
