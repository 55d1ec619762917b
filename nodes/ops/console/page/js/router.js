// Which page an address is, and going from one to the next without loading anything again.
const routes = [];
let onGo = () => {};

/** `pattern`: "/nodes/:node". */
export function route(pattern, page) {
  const names = [];
  const expression = pattern.replace(/:(\w+)/g, (_, name) => { names.push(name); return "([^/]+)"; });
  routes.push({ expression: new RegExp(`^${expression}/?$`), names, page });
}

export function find(path) {
  for (const { expression, names, page } of routes) {
    const match = expression.exec(path);
    if (match) return { page, params: Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(match[at + 1])])) };
  }
  return null;
}

export function begin(go) {
  onGo = go;
  addEventListener("popstate", () => onGo());
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = event.target.closest?.("a[href]");
    if (!anchor || anchor.target || anchor.origin !== location.origin || anchor.pathname.startsWith("/page/") || anchor.hasAttribute("download")) return;
    if (anchor.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    navigate(anchor.pathname + anchor.search);
  });
}

export function navigate(address) {
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  onGo();
}

/** The address says what is shown, without going anywhere. */
export function remember(params) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== "" && one !== null && one !== undefined) query.append(key, one);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
}

export const query = () => new URLSearchParams(location.search);
export const to = (...words) => `/${words.map(encodeURIComponent).join("/")}`;
