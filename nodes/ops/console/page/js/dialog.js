// Dialogs. The browser's own: focus stays inside, Escape closes, the page behind is inert.
import { button, h, icon } from "./dom.js";
import { busy, done, wrong } from "./toast.js";

function open(content, name = "") {
  const before = document.activeElement;
  const box = h("dialog", { class: name, "aria-labelledby": "dialog-title" }, content,
    h("button", { type: "button", class: "icon-button shut", "aria-label": "close", onclick: () => box.close() }, icon("close")));
  box.addEventListener("close", () => { box.remove(); before?.focus?.(); });
  box.addEventListener("pointerdown", (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  return box;
}

export function tell(title, ...content) {
  return open(h("div", { class: "dialog" }, h("h2", { id: "dialog-title", tabindex: "-1", autofocus: true, text: title }), content));
}

/**
 * Ask for what an action needs, have it done, say how it ended.
 * fields: [{name, label, kind: text|textarea|number|select|length|check|password, options, value, hint, required, max, autocomplete}]
 * confirm: a word that has to be typed (or a function of the values that returns one, or "").
 * send(values): does it. background: what is shown while it goes on, with the dialog closed.
 */
export function ask({ title, text, fields = [], confirm = "", submit, danger = false, send, background = "", after = () => {} }) {
  const inputs = fields.map(control);
  const wordOf = (values) => (typeof confirm === "function" ? confirm(values) : confirm);
  const word = h("input", { type: "text", id: "dialog-confirm", autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  const wordName = h("code");
  const wordField = h("div", { class: "field" }, h("label", { for: "dialog-confirm" }, "Type ", wordName, " to confirm"), word);
  const problem = h("div", { class: "wrong-box", role: "alert", hidden: true });
  const go = button(submit, { type: "submit", class: `primary${danger ? " danger" : ""}` });
  const values = () => Object.fromEntries(inputs.map((one) => [one.name, one.read()]));
  const check = () => {
    const now = values(), wanted = wordOf(now);
    wordField.hidden = !wanted;
    wordName.textContent = wanted;
    go.disabled = (wanted !== "" && word.value !== wanted) || inputs.some((one) => one.required && !String(one.read() ?? "").trim());
  };
  const form = h("form", { novalidate: true, oninput: check, onchange: check, onsubmit: run }, h("h2", { id: "dialog-title", text: title }),
    text && h("p", { class: "text" }, text), problem, inputs.map((one) => one.element), wordField,
    h("div", { class: "buttons" }, button("Cancel", { onclick: () => box.close() }), go));
  const box = open(form);
  check();
  (inputs[0]?.focus ?? (wordField.hidden ? go : word)).focus();

  async function run(event) {
    event.preventDefault();
    check();
    if (go.disabled) return;
    const told = { ...values(), ...(wordOf(values()) ? { confirm: word.value } : {}) };
    if (background) {
      box.close();
      const over = busy(background);
      try { const answer = await send(told); if (answer?.text) done(upper(answer.text)); after(answer); } catch (error) { wrong(error.message); } finally { over(); }
      return;
    }
    go.disabled = true;
    go.classList.add("busy");
    go.prepend(h("span", { class: "spinner" }));
    try {
      const answer = await send(told);
      box.close();
      if (answer?.text) done(upper(answer.text));
      after(answer);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      go.classList.remove("busy");
      go.querySelector(".spinner")?.remove();
      check();
    }
  }
  return box;
}

/** "anna42 is muted" stays as it is: a name is not a word that begins a sentence. */
const upper = (text) => (/^[a-z]+ /.test(text) && !/^[a-z]+[.\d]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text);

const LENGTHS = [[600, "10 min"], [3600, "1 h"], [86400, "1 day"], [7 * 86400, "1 week"]];

function control(field) {
  const id = `dialog-${field.name}`;
  const common = { id, name: field.name, autocomplete: field.autocomplete || "off", maxlength: field.max, placeholder: field.placeholder };
  if (field.kind === "length") return lengths(field);
  if (field.kind === "check") {
    const box = h("input", { type: "checkbox", id, checked: field.value });
    return { name: field.name, read: () => box.checked, element: h("div", { class: "field" }, h("label", { class: "check", for: id }, box, field.label), hint(field)) };
  }
  let input;
  if (field.kind === "textarea") input = h("textarea", { rows: 3, ...common, text: field.value || "" });
  else if (field.kind === "select") input = h("select", common, field.options.map(([key, text]) => h("option", { value: key, text, selected: String(key) === String(field.value) })));
  else input = h("input", { type: field.kind || "text", ...common, min: field.min, max: field.kind === "number" ? field.most : undefined, value: field.value });
  const read = field.kind === "number" ? () => (input.value === "" ? null : Number(input.value)) : () => input.value;
  return { name: field.name, required: field.required, read, focus: input, element: h("div", { class: "field" }, h("label", { for: id, text: field.label }), input, hint(field)) };
}

const hint = (field) => field.hint && h("span", { class: "hint", text: field.hint });

function lengths(field) {
  const options = [...LENGTHS, ...(field.forEver ? [[-1, "For ever"]] : [])];
  let value = field.value ?? 3600;
  const box = h("div", { class: "chips", role: "group", "aria-label": field.label });
  const set = () => { for (const one of box.children) one.setAttribute("aria-pressed", String(Number(one.dataset.value) === value)); };
  for (const [length, text] of options) {
    box.append(h("button", { type: "button", class: "chip", dataset: { value: length }, text,
      onclick: () => { value = length; set(); box.dispatchEvent(new Event("change", { bubbles: true })); } }));
  }
  set();
  return { name: field.name, read: () => value, element: h("div", { class: "field" }, h("span", { class: "label", text: field.label }), box, hint(field)) };
}
