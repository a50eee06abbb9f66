/** What is in the mirror: repositories, searched by a part of their names, and the tags of one. */

import * as api from "./api.js";
import { h, slot } from "./dom.js";
import { bytes, counted, mediaName } from "./format.js";
import { alertBox, digest, imageLink, moment, paging, row, table, title } from "./parts.js";
import { poll } from "./poll.js";
import { parseReference, route } from "./routes.js";

const PAGE = 50;
/** A page may be empty though more follow: so many are requested before a person is asked to go on. */
const EMPTY_PAGES = 10;

export function images({ rest: repository, query, signal, say }) {
  return repository ? tagList(repository, query, signal) : repositoryList(query, signal, say);
}

function repositoryList({ contains = "", last = "" }, signal, say) {
  const failed = alertBox();
  const found = h("div");
  const fill = slot(found);

  poll(
    async () => {
      let page = await api.repositories({ n: PAGE, contains, last }, signal);
      for (let asked = 1; asked < EMPTY_PAGES && !page.repositories.length && page.last; asked += 1) {
        page = await api.repositories({ n: PAGE, contains, last: page.last }, signal);
      }
      if (signal.aborted) return null;
      fill(page, () => [
        page.repositories.length
          ? h(
              "ul",
              { class: "names" },
              page.repositories.map((it) => h("li", {}, h("a", { href: route("images", it) }, marked(it, contains)))),
            )
          : h("p", { class: "empty" }, nothing(contains, page.last)),
        paging({
          first: last && route("images", "", { contains }),
          firstText: "From the beginning",
          more: page.last && route("images", "", { contains, last: page.last }),
          moreText: "More",
        }),
      ]);
      const told = counted(page.repositories.length, "repository", "repositories");
      if (contains) say(`${told}${page.last ? ", and there may be more" : ""}.`);
      return null;
    },
    signal,
    failed.show,
  );

  return { title: "Images", nodes: [title("Images"), search(contains), failed.element, found] };
}

function search(contains) {
  const field = h("input", {
    id: "search",
    type: "search",
    value: contains,
    spellcheck: "false",
    autocapitalize: "none",
    autocomplete: "off",
    placeholder: "team, or team/app:1.2",
    "aria-describedby": "search-help",
  });
  return h(
    "form",
    {
      role: "search",
      class: "inline",
      onsubmit: (event) => {
        event.preventDefault();
        const named = parseReference(field.value.trim());
        location.hash = named ? route("image", named.reference) : route("images", "", { contains: field.value.trim() });
      },
    },
    h("label", { for: "search" }, "Search"),
    field,
    h("button", { type: "submit", class: "main", id: "search-go" }, "Search"),
    h("p", { id: "search-help", class: "help" }, "A part of a repository's name, or an image by its tag or digest."),
  );
}

function nothing(contains, more) {
  if (more) return "Nothing so far; there is more to look through.";
  return contains ? "No repository's name has that in it." : "The mirror is empty.";
}

/** The name, with what was searched for set off. */
function marked(name, part) {
  const at = part ? name.indexOf(part) : -1;
  return at < 0 ? name : [name.slice(0, at), h("mark", {}, part), name.slice(at + part.length)];
}

function tagList(repository, { last = "" }, signal) {
  const failed = alertBox();
  const found = h("div");
  const fill = slot(found);

  poll(
    async () => {
      const page = await api.tags(repository, { n: PAGE, last, sizes: true }, signal);
      if (signal.aborted) return null;
      fill(page, () => [
        page.tags.length
          ? tagTable(repository, page.tags)
          : h("p", { class: "empty" }, page.last ? "None on this page." : "It has no tags."),
        paging({
          first: last && route("images", repository),
          firstText: "First tags",
          more: page.last && route("images", repository, { last: page.last }),
          moreText: "More tags",
        }),
      ]);
      return null;
    },
    signal,
    failed.show,
  );

  return {
    title: repository,
    nodes: [
      h("p", { class: "trail" }, h("a", { href: route("images") }, "Images")),
      title(repository),
      failed.element,
      found,
    ],
  };
}

function tagTable(repository, tags) {
  const { body, wrapped } = table(
    `Tags of ${repository}`,
    [["Tag"], ["Digest"], ["Kind"], ["Size, all platforms", "number"], ["Pushed"], ["Last checked"]],
    "tags stacking",
  );
  body.append(
    ...tags.map((it) =>
      row([
        { class: "name", content: imageLink(`${repository}:${it.tag}`, it.tag) },
        { content: digest(it.digest) },
        { content: mediaName(it.media_type) },
        { class: "number", content: it.image_size === null ? "" : bytes(it.image_size), label: "size" },
        { content: it.pushed ? moment(it.pushed) : "no event told", label: "pushed" },
        { content: moment(it.checked), label: "last checked" },
      ]),
    ),
  );
  return wrapped;
}
