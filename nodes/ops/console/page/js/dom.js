// Making and changing elements. Text is always text: nothing here takes markup.
const SVG = "http://www.w3.org/2000/svg";

/** An element. `class`, `text`, `on<event>` and `dataset` are what they say; everything else is an attribute. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") element.setAttribute("class", value);
    else if (key === "text") element.textContent = value;
    else if (key === "dataset") Object.assign(element.dataset, value);
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

export function icon(name, label) {
  const drawn = svg("svg", { class: "icon", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) });
  drawn.append(svg("use", { href: `/page/icons.svg#${name}` }));
  return drawn;
}

/** Change the text only when it is another one: the browser has nothing to do otherwise. */
export function setText(element, text) {
  const first = element.firstChild;
  if (first && first.nodeType === 3 && !first.nextSibling) {
    if (first.nodeValue !== text) first.nodeValue = text;
  } else if (element.textContent !== text || first) element.textContent = text;
  else if (text) element.textContent = text;
}

export function setAttr(element, name, value) {
  if (value === null || value === undefined || value === false) { if (element.hasAttribute(name)) element.removeAttribute(name); }
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export const setClass = (element, value) => setAttr(element, "class", value);

/** Have `parent` hold exactly these, touching only what is not in its place. */
export function arrange(parent, wanted) {
  let at = parent.firstChild;
  for (const element of wanted) {
    if (element === at) at = at.nextSibling;
    else parent.insertBefore(element, at);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

export function button(text, props = {}, iconName) {
  const { class: name = "", ...rest } = props;
  return h("button", { type: "button", class: `button ${name}`.trim(), ...rest }, iconName && icon(iconName), text);
}

export function card(title, props = {}, ...children) {
  const { sub, tools, class: name = "", ...rest } = props;
  return h("section", { class: `card ${name}`.trim(), ...rest },
    (title || tools) && h("header", {}, h("div", {}, title && h("h2", { text: title }), sub && h("p", {}, sub)), tools && h("div", { class: "tools" }, tools)),
    children);
}

export function empty(title, text, iconName, action) {
  return h("div", { class: "empty" }, iconName && icon(iconName), h("b", { text: title }), text && h("p", { text }), action);
}

export function loading(lines = 4) {
  return h("div", { class: "body", "aria-busy": "true" }, h("span", { class: "sr", text: "loading" }),
    Array.from({ length: lines }, (_, at) => h("div", { class: `skeleton line w${at % 3}` })));
}

/** What is shown where something could not be had. */
export function failure(problem, again) {
  return h("div", { class: "empty", role: "alert" }, icon("incidents"), h("b", { text: problem.code === "not_found" ? "Not found" : "This could not be loaded" }),
    h("p", { text: problem.message }), again && button("Try again", { onclick: again }));
}

/** A choice of a few, as a row of buttons. `options`: [[value, text], ...]. */
export function segments(label, options, value, onchange) {
  const box = h("div", { class: "segments", role: "group", "aria-label": label });
  const set = (now) => { for (const one of box.children) one.setAttribute("aria-pressed", String(one.dataset.value === String(now))); };
  for (const [key, text] of options) {
    box.append(h("button", { type: "button", dataset: { value: key }, text, onclick: () => { set(key); onchange(key); } }));
  }
  set(value);
  box.set = set;
  return box;
}

export function select(label, options, value, onchange) {
  const box = h("select", { "aria-label": label, onchange: () => onchange(box.value) },
    options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value), text })));
  return box;
}

/** An input that tells after a short pause. */
export function searchBox(label, value, onchange, props = {}) {
  let timer = 0;
  const box = h("input", { type: "search", "aria-label": label, placeholder: label, value, spellcheck: "false", autocomplete: "off", ...props,
    oninput: () => { clearTimeout(timer); timer = setTimeout(() => onchange(box.value.trim()), 220); } });
  return box;
}
