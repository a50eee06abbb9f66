/** Shows the view that the address names; without a key, the gate alone. */

import { access } from "./access.js";
import { audits } from "./audits.js";
import { gate } from "./gate.js";
import { health } from "./health.js";
import { h } from "./dom.js";
import { offsetOf, ownZone, zone } from "./format.js";
import { image } from "./image.js";
import { images } from "./images.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";
import * as key from "./key.js";
import { tick, title } from "./parts.js";
import { pull } from "./pull.js";
import { readHash, route } from "./routes.js";
import { status } from "./status.js";

const VIEWS = { "": status, jobs, job, images, image, pull, access, health, audits };
const PAGE_OF = { job: "jobs", image: "images", audits: "health" };

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const forget = document.getElementById("forget");
const said = document.getElementById("said");
const asking = document.getElementById("asking");
const clock = document.getElementById("clock");
const zoneButton = document.getElementById("zone");

/** What takes longer is said; a function app that has slept takes seconds. */
const PATIENCE_MS = 800;
const TICK_MS = 10_000;

let shown = new AbortController();
let before = null;

/** Told by screen readers when they are free to. */
function say(text) {
  said.textContent = text;
}

function show(failure = null) {
  shown.abort();
  shown = new AbortController();
  const open = key.read() !== null;
  const { name, rest, query } = readHash(location.hash);
  if (name === "" && Object.keys(query).length) {
    // Where the list of jobs was before: such links are in people's notes.
    location.replace(route("jobs", "", query));
    return;
  }
  const make = VIEWS[name] ?? missing;
  const view = open ? make({ rest, query, signal: shown.signal, say }) : gate(() => show(), failure);
  nav.hidden = forget.hidden = clock.hidden = !open;
  showZone();
  for (const link of nav.children) {
    const here = open && link.getAttribute("href") === route(PAGE_OF[name] ?? name);
    link.toggleAttribute("aria-current", false);
    if (here) link.setAttribute("aria-current", "page");
  }
  const focused = document.activeElement?.id;
  document.title = `${view.title} · acrmirror`;
  main.replaceChildren(...view.nodes);
  focusSensibly(view, before === name && open ? focused : null);
  before = open ? name : null;
}

/** Onto what had the focus, if that is here again (a filter, a field), else onto the heading. */
function focusSensibly(view, identity) {
  const again = identity && main.contains(document.getElementById(identity)) ? document.getElementById(identity) : null;
  const target = view.focus ?? again ?? main.querySelector("h1");
  if (target === again && again) {
    again.focus({ preventScroll: true });
    return;
  }
  scrollTo(0, 0);
  target.focus({ preventScroll: true });
}

function missing() {
  return {
    title: "Nothing here",
    nodes: [
      title("Nothing here"),
      h("p", {}, "This address names no page. ", h("a", { href: route("") }, "To the status")),
    ],
  };
}

let patience = 0;
document.addEventListener("asked", ({ detail: count }) => {
  clearTimeout(patience);
  if (count > 0)
    patience = setTimeout(() => {
      asking.hidden = false;
    }, PATIENCE_MS);
  else asking.hidden = true;
});

function showZone() {
  const own = ownZone();
  const utc = zone.utc || own === "UTC";
  clock.firstElementChild.textContent = utc ? "Times are in UTC." : `Times are in ${own}, ${offsetOf(new Date())}.`;
  zoneButton.textContent = zone.utc ? `Show ${own}` : "Show UTC";
  zoneButton.hidden = own === "UTC";
}

zoneButton.addEventListener("click", () => {
  zone.utc = !zone.utc;
  show();
});
setInterval(() => {
  if (!document.hidden) tick();
}, TICK_MS);
addEventListener("hashchange", () => show());
document.addEventListener("locked", (event) => {
  // The gate says itself what became of a key that was just given.
  if (before !== null) show(event.detail);
});
forget.addEventListener("click", () => {
  key.forget();
  show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  // The address is the view's: a jump to #main would change it.
  event.preventDefault();
  main.focus();
});
show();
