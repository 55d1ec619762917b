// Asking the console's own API. Every failure is a Problem with a code and a sentence for people.
export class Problem extends Error {
  constructor(code, text, status) { super(text); this.code = code; this.status = status; }
}

export const session = new EventTarget();
session.me = null;

export function signedOut() {
  if (!session.me) return;
  session.me = null;
  session.dispatchEvent(new Event("out"));
}

export const mayAct = () => session.me?.role === "operator";

export function get(path, params, signal) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params || {})) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(key, one);
  }
  const text = query.toString();
  return call(text ? `${path}?${text}` : path, { signal });
}

export function post(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  if (session.me) headers["X-Mesh-Token"] = session.me.token;
  return call(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("unreachable", "The console does not answer. It may be restarting, or your connection is down.", 0);
  }
  let said;
  try {
    said = await response.json();
  } catch {
    throw new Problem("unreadable", `The console answered something that is not JSON (status ${response.status}).`, response.status);
  }
  if (response.ok) return said;
  if (said.code === "signed_out") signedOut();
  throw new Problem(said.code || "unknown", sentence(said.text || `status ${response.status}`), response.status);
}

/** Texts of the server begin with a small letter, as on the command line. */
function sentence(text) {
  const isName = /^[a-z]+\.\d/.test(text);
  const begun = isName ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** label=value pairs as the API wants them. */
export const where = (labels) => Object.entries(labels || {}).map(([key, value]) => `${key}:${value}`);

let words = null;
/** Zones, roles, levels, kinds; asked for once. */
export function vocabulary() {
  words ||= get("/api/vocabulary").catch((problem) => { words = null; throw problem; });
  return words;
}
session.addEventListener("out", () => { words = null; });
