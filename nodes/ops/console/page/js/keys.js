// The keyboard: one key, or g and a second one. Nothing is taken from whoever types into a field.
const single = new Map();
const after = new Map();
export const shortcuts = [];
let waits = -Infinity; // when g was pressed

export function key(name, text, run) { single.set(name, run); shortcuts.push([[name], text]); }
export function goKey(name, text, run) { after.set(name, run); shortcuts.push([["g", name], text]); }

const types = (element) => element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));

export function beginKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || types(event.target) || document.querySelector("dialog[open]")) return;
    const now = performance.now();
    const run = now - waits < 1200 ? after.get(event.key) : single.get(event.key);
    if (now - waits >= 1200 && event.key === "g") { waits = now; return; }
    waits = -Infinity;
    if (run) { event.preventDefault(); run(); }
  });
}
