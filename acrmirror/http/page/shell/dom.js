/** Making and changing elements. Text is only ever text: nothing here takes markup. */

const SVG = "http://www.w3.org/2000/svg";

/** `h("a", { href: "#/" }, "text", element)`. A handler is given as `onclick`; what is null or false is left out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : key === "title" ? visible(String(value)) : value);
  }
  element.append(...given(children));
  return element;
}

/** One of the shapes in index.html. */
export function glyph(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#glyph-${name}`);
  svg.append(use);
  return svg;
}

/** Fills an element anew when `sign` is another than the last time, and only then. Focus that was in it stays in it,
 * or goes to `heir`. */
export function slot(element, heir = () => null) {
  let known;
  return (sign, make) => {
    const now = JSON.stringify(sign);
    if (now === known) return;
    known = now;
    const focused = element.contains(document.activeElement);
    element.replaceChildren(...given([make()]));
    if (focused) (element.querySelector("button, a") ?? heir())?.focus();
  };
}

/** A list that follows `items`: `create(item)` gives `{ element, update }`, once for each key. Rows that stay are not
 * touched but for `update(item)`. */
export function keyed(parent, keyOf, create) {
  const known = new Map();
  return (items) => {
    const wanted = new Set(items.map(keyOf));
    for (const [key, row] of known) {
      if (wanted.has(key)) continue;
      row.element.remove();
      known.delete(key);
    }
    let at = parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      if (!known.has(key)) known.set(key, create(item));
      const row = known.get(key);
      row.update(item);
      if (row.element === at) at = at.nextElementSibling;
      else parent.insertBefore(row.element, at);
    }
  };
}

/** Makes the children of `element` equal to those of `fresh`, and leaves alone those that are so already: what a person
 * has selected stays selected. For children without handlers. */
export function patch(element, fresh) {
  const old = [...element.children];
  const wanted = [...fresh.children];
  wanted.forEach((it, index) => {
    if (!old[index]) element.append(it);
    else if (!old[index].isEqualNode(it)) old[index].replaceWith(it);
  });
  old.slice(wanted.length).forEach((it) => it.remove());
}

/** What can't be seen, and acts: control characters, what turns the direction of writing, lines' ends that are none of
 * ours; and halves of characters. The command line shows them in the same way. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

const visible = (text) => text.replace(UNSEEN, "\ufffd");

const given = (children) =>
  children
    .flat(Infinity)
    .filter((it) => it !== null && it !== undefined && it !== false)
    .map((it) => (typeof it === "string" ? visible(it) : it));
