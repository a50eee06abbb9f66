/** One image of the mirror: what it is made of for each platform, what refers to it, and where its tag has been. */

import * as api from "./api.js";
import { h, slot } from "./dom.js";
import { bytes, counted, mediaName, seenName, shortened } from "./format.js";
import { alertBox, digest, facts, imageLink, moment, row, table, title } from "./parts.js";
import { poll } from "./poll.js";
import { askOne } from "./pull.js";
import { parseReference, route } from "./routes.js";

export function image({ rest, signal, say }) {
  const named = parseReference(rest);
  const failed = alertBox();
  const found = h("div");
  const fill = slot(found);
  if (named) {
    const told = (failure) => {
      failed.show(failure);
      if (failure?.status === 404) fill("missing", () => offer(named.reference, failed, say));
    };
    poll(
      async () => {
        const it = await api.image(named.reference, signal);
        if (!signal.aborted) fill(it, () => parts(it));
        return null;
      },
      signal,
      told,
    );
  } else {
    const asked = "read the name in the address";
    failed.show({ asked, answered: "it is no image", remedy: "Search for it.", message: asked, status: 0 });
  }
  const trail = named ? h("a", { href: route("images", named.repository) }, named.repository) : null;
  return {
    title: rest,
    nodes: [
      h("p", { class: "trail" }, h("a", { href: route("images") }, "Images"), trail),
      title(shortened(rest)),
      failed.element,
      found,
    ],
  };
}

function offer(reference, failed, say) {
  return h(
    "p",
    {},
    h("button", { type: "button", class: "main", onclick: () => askOne({ image: reference }, failed, say) }, "Pull it"),
  );
}

function parts(it) {
  const name = `${it.repository}${it.tag ? `:${it.tag}` : `@${it.digest}`}`;
  return [
    facts([
      ["Digest", h("code", { class: "whole" }, it.digest)],
      ["Kind", h("span", { title: it.media_type }, mediaName(it.media_type))],
      ["Artifact type", it.artifact_type && h("code", {}, it.artifact_type)],
      ["At the registry", `${it.registry}/${it.repository}`],
      ["Proven", proven(it.proof)],
      ["Export", h("code", { class: "whole" }, `acrmirror export ${name} --to image.tar`)],
    ]),
    h(
      "section",
      {},
      h("h2", {}, it.images.length === 1 ? "Content" : `${it.images.length} platforms`),
      it.images.map(variant),
    ),
    h(
      "section",
      {},
      h("h2", {}, "Referrers"),
      it.referrers.length ? referrers(it) : h("p", { class: "empty" }, "Nothing refers to it."),
    ),
    h(
      "section",
      {},
      h("h2", {}, it.tag ? `History of ${it.tag}` : "History"),
      it.history.length ? history(it) : h("p", { class: "empty" }, "Nothing was seen of it."),
    ),
  ];
}

function proven(proof) {
  if (!proof) return "not yet: no audit has looked at it since it was written";
  if (proof.proven) return moment(proof.at);
  return h("ul", { class: "wrong" }, proof.wrong.map((it) => h("li", {}, it)));
}

function variant(it, index, all) {
  const { body, wrapped } = table(
    `Layers of ${it.platform ?? it.digest}`,
    [["Blob"], ["Size", "number"], ["Type"]],
    "layers stacking",
  );
  const blobs = [...(it.config ? [it.config] : []), ...it.layers];
  body.append(
    ...blobs.map((blob) =>
      row([
        { content: digest(blob.digest) },
        { class: "number", content: bytes(blob.size) },
        { class: "type", content: blob.media_type },
      ]),
    ),
  );
  const shape = `${counted(it.layers.length, "layer")}, ${bytes(it.size)}`;
  return h(
    "details",
    { class: "variant", open: all.length === 1 },
    h(
      "summary",
      {},
      h("span", { class: "platform" }, it.platform ?? it.artifact_type ?? "no platform"),
      h("span", { class: "figures" }, shape),
      digest(it.digest),
    ),
    blobs.length ? wrapped : h("p", { class: "empty" }, "It has no blobs."),
  );
}

function referrers(it) {
  const { body, wrapped } = table(
    `What refers to ${it.repository}`,
    [["What it is"], ["Digest"], ["Manifest", "number"], ["Annotations"]],
    "referrers stacking",
  );
  body.append(
    ...it.referrers.map((one) =>
      row([
        {
          class: "name",
          content: imageLink(`${it.repository}@${one.digest}`, one.artifact_type ?? mediaName(one.media_type)),
        },
        { content: digest(one.digest) },
        { class: "number", content: bytes(one.size), label: "manifest" },
        {
          class: "annotations",
          content: Object.entries(one.annotations).map(([key, value]) => h("p", {}, h("span", {}, key), ` ${value}`)),
        },
      ]),
    ),
  );
  return wrapped;
}

function history(it) {
  const { body, wrapped } = table(
    it.tag ? `Where ${it.tag} has been, newest first` : "What was seen, newest first",
    [["When"], ["What"], ["Digest"]],
    "history",
  );
  body.append(
    ...it.history.map((seen) =>
      row([
        { content: moment(seen.at) },
        { content: seenName(seen.kind) },
        {
          content:
            seen.digest === it.digest
              ? [digest(seen.digest), h("span", { class: "now" }, "this one")]
              : imageLink(`${it.repository}@${seen.digest}`, digest(seen.digest)),
        },
      ]),
    ),
  );
  return wrapped;
}
