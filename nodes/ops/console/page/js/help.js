// What the keyboard can do.
import { h } from "./dom.js";
import { tell } from "./dialog.js";
import { shortcuts } from "./keys.js";

export function showHelp() {
  if (document.querySelector("dialog[open]")) return;
  tell("Keyboard", h("dl", { class: "keys" }, shortcuts.map(([keys, text]) => [
    h("dt", { text }), h("dd", {}, keys.map((key, at) => [at ? " then " : "", h("kbd", { text: key })])),
  ])));
}
