/** Asks for the function key. Until it is given, the page has nothing to show, and asks nobody. */

import * as api from "./api.js";
import { h } from "./dom.js";
import * as key from "./key.js";
import { alertBox, title } from "./parts.js";

/** `opened` is called once the app has taken the key; `failure` is why an earlier one did not do. */
export function gate(opened, failure = null) {
  const failed = alertBox();
  const field = h("input", {
    id: "key",
    type: "password",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "key-help",
  });
  const form = h(
    "form",
    {
      class: "gate card",
      onsubmit: async (event) => {
        event.preventDefault();
        // What no header can carry is no key either; the app would say the same of what is left of it.
        key.keep(field.value.replace(/[^\x21-\x7e]/g, ""));
        failed.show(null);
        try {
          await api.knock();
        } catch (error) {
          if (!(error instanceof api.Failure)) throw error;
          // Whatever else is wrong, the views will say so.
          if (error.status === 401 || error.status === 0) {
            key.forget();
            failed.show(error);
            field.select();
            field.focus();
            return;
          }
        }
        opened();
      },
    },
    title("Status of the mirror"),
    h("label", { for: "key" }, "Function key"),
    field,
    h("p", { id: "key-help", class: "help" }, "It stays in this tab, and is gone when the tab is closed."),
    failed.element,
    h("button", { type: "submit", class: "main" }, "Open"),
  );
  failed.show(failure);
  return { title: "Status", nodes: [form], focus: field };
}
