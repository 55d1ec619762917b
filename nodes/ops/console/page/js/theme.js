// Light and dark: what is chosen, what holds, and who has to draw anew when it changes.
const KEY = "mesh-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

export const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
export const chosen = () => document.documentElement.dataset.theme || "system";

export function choose(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch { /* it holds until the page is closed */ }
  tell();
}

export const toggle = () => choose(isDark() ? "light" : "dark");

/** Call `draw` whenever colours change, until the signal ends. */
export function onTheme(draw, signal) {
  listeners.add(draw);
  signal?.addEventListener("abort", () => listeners.delete(draw));
}

/** The value of a colour of tokens.css now, such as "--accent". */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const stillness = matchMedia("(prefers-reduced-motion: reduce)");

function tell() { for (const draw of listeners) draw(); }
system.addEventListener("change", tell);
