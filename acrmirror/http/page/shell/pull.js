/** Asking for images: one by its name, or many by patterns. */

import * as api from "./api.js";
import { h } from "./dom.js";
import { alertBox, nameOf, title } from "./parts.js";
import { route } from "./routes.js";

const NAME = {
  type: "text",
  spellcheck: "false",
  autocapitalize: "none",
  autocomplete: "off",
  required: true,
  maxlength: "600",
};

/** Both forms. */
export function pull({ say }) {
  return { title: "Pull", nodes: [title("Pull"), h("div", { class: "columns" }, oneImage(say), manyImages(say))] };
}

/** One line, for above the list of jobs. */
export function askField({ say }) {
  const failed = alertBox();
  const field = h("input", { ...NAME, id: "image", placeholder: "team/app:1.2" });
  const form = formOf(
    "inline ask",
    () => askOne({ image: field.value.trim() }, failed, say),
    field,
    h("label", { for: "image" }, "Pull an image"),
    field,
    h("button", { type: "submit", class: "main" }, "Pull"),
    h("a", { href: route("pull") }, "Many, or some platforms"),
  );
  return h("div", {}, form, failed.element);
}

function oneImage(say) {
  const failed = alertBox();
  const image = h("input", { ...NAME, id: "image", placeholder: "team/app:1.2", "aria-describedby": "image-help" });
  const platforms = h("input", {
    ...NAME,
    required: false,
    id: "platforms",
    placeholder: "linux/amd64, linux/arm64",
    "aria-describedby": "platforms-help",
  });
  const force = h("input", { type: "checkbox", id: "force", "aria-describedby": "force-help" });
  const body = () => ({
    image: image.value.trim(),
    platforms: platforms.value.split(/[\s,]+/).filter(Boolean),
    force: force.checked,
  });
  return formOf(
    "card",
    () => askOne(body(), failed, say),
    image,
    h("h2", {}, "One image"),
    field(image, "Image", "Repository with a tag or a digest, with or without the registry's host. No tag is latest."),
    field(platforms, "Only these platforms", "Of a multi-arch image. Leave it empty for all of them."),
    h(
      "div",
      { class: "field check" },
      force,
      h("label", { for: "force" }, "Look at everything again"),
      h(
        "p",
        { id: "force-help", class: "help" },
        "What is in the mirror already is hashed anew, and damage put right.",
      ),
    ),
    failed.element,
    h("button", { type: "submit", class: "main" }, "Pull"),
  );
}

function manyImages(say) {
  const failed = alertBox();
  const patterns = h("textarea", {
    id: "patterns",
    rows: "4",
    required: true,
    spellcheck: "false",
    autocapitalize: "none",
    placeholder: "team/*\n!team/tmp-*\nbase/os:v*",
    "aria-describedby": "patterns-help",
  });
  const dry = h("input", { type: "checkbox", id: "dry", checked: true, "aria-describedby": "dry-help" });
  const lines = () => patterns.value.split(/\s+/).filter(Boolean);
  return formOf(
    "card",
    () => askMany(lines(), dry.checked, failed, say),
    patterns,
    h("h2", {}, "Many images"),
    field(
      patterns,
      "Patterns, one a line",
      "* is any characters, a ! in front excludes, no tag means all tags. * alone is the whole registry.",
    ),
    h(
      "div",
      { class: "field check" },
      dry,
      h("label", { for: "dry" }, "Dry run"),
      h("p", { id: "dry-help", class: "help" }, "Only say what would be requested."),
    ),
    failed.element,
    h("button", { type: "submit", class: "main" }, "Ask"),
  );
}

/** A form that can't be sent twice at once; a refusal gives the focus back to its field. */
function formOf(name, send, first, ...children) {
  let busy = false;
  return h(
    "form",
    {
      class: name,
      onsubmit: async (event) => {
        event.preventDefault();
        if (busy) return;
        busy = true;
        const accepted = await send();
        busy = false;
        first.toggleAttribute("aria-invalid", false);
        if (!accepted) {
          first.setAttribute("aria-invalid", "true");
          first.focus();
        }
      },
    },
    ...children,
  );
}

function field(input, label, help) {
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    input,
    h("p", { id: `${input.id}-help`, class: "help" }, help),
  );
}

export const askOne = (body, failed, say) => send(body, failed, say);

export const askMany = (match, dry, failed, say) => send({ match, dry_run: dry }, failed, say);

/** Asks, and goes to the job; says what is wrong if it is refused. */
async function send(body, failed, say) {
  try {
    failed.show(null);
    const job = await api.ask(body);
    say(`Requested ${nameOf(job)}.`);
    location.hash = route("job", job.id);
    return true;
  } catch (error) {
    if (!(error instanceof api.Failure)) throw error;
    failed.show(error);
    return false;
  }
}
