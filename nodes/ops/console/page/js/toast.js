// Short notes at the corner: what was done, what was not.
import { h, icon } from "./dom.js";

const box = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
document.body.append(box);
const SHOWN_MS = 6000;

function show(kind, sign, text, keepsOpen) {
  const note = h("div", { class: `toast ${kind}` }, sign, h("div", { text }),
    h("button", { type: "button", class: "icon-button", "aria-label": "close", onclick: () => note.remove() }, icon("close")));
  box.append(note);
  while (box.children.length > 4) box.firstChild.remove();
  if (!keepsOpen) setTimeout(() => note.remove(), SHOWN_MS);
  return note;
}

export const done = (text) => show("", icon("check"), text, false);
export const wrong = (text) => show("critical", icon("incidents"), text, true);

/** While something goes on that takes long. Call what is returned when it is over. */
export function busy(text) {
  const note = show("busy", h("span", { class: "spinner" }), text, true);
  return () => note.remove();
}
