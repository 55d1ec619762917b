// One's own account, and for operators everybody else's.
import { get, mayAct, post, session } from "../api.js";
import { button, card, empty, failure, h, icon, segments } from "../dom.js";
import { ask, tell } from "../dialog.js";
import { full } from "../format.js";
import { spanCell, Table } from "../table.js";
import { choose, chosen } from "../theme.js";
import { done, wrong } from "../toast.js";

export const section = "account";
export const title = "Account";

export function show(page) {
  const { me } = session;
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Account" }), h("p", { text: `Signed in as ${me.name}, ${me.role === "operator" ? "an operator" : "a viewer"}` }))),
    h("div", { class: "stack" },
      h("div", { class: "grid-2" }, passwordCard(page, me),
        card("Colours", {}, h("div", { class: "body deed" }, h("p", { text: "Light or dark, or as your system says." }), segments("colours", [["system", "System"], ["light", "Light"], ["dark", "Dark"]], chosen(), choose)))),
      mayAct() && operatorsCard(page)));
}

function passwordCard(page, me) {
  const field = (name, label, autocomplete, hint) => {
    const input = h("input", { type: "password", id: name, autocomplete });
    return { input, element: h("div", { class: "field" }, h("label", { for: name, text: label }), input, hint && h("span", { class: "hint", text: hint })) };
  };
  const old = field("old", "Old password", "current-password"), fresh = field("new", "New password", "new-password", `At least ${me.password_chars_min} characters`), again = field("again", "New password once more", "new-password");
  const problem = h("div", { class: "wrong-box", role: "alert", hidden: true });
  const submit = button("Change the password", { type: "submit", class: "primary" });
  const say = (text) => { problem.textContent = text; problem.hidden = !text; };
  const form = h("form", { class: "body", novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    if (fresh.input.value.length < me.password_chars_min) { say(`A password has at least ${me.password_chars_min} characters.`); return; }
    if (fresh.input.value !== again.input.value) { say("The two new passwords are not the same."); return; }
    submit.disabled = true;
    try {
      const answer = await post("/api/password", { old: old.input.value, new: fresh.input.value });
      form.reset();
      say("");
      me.temporary = false;
      page.shell.ownPassword();
      done(`${answer.text.charAt(0).toUpperCase()}${answer.text.slice(1)}`);
    } catch (error) { say(error.message); } finally { submit.disabled = false; }
  } }, problem, h("input", { type: "text", autocomplete: "username", value: me.name, hidden: true }), old.element, fresh.element, again.element, submit);
  return card("Password", { sub: me.temporary ? "Somebody else knows it" : "" }, form);
}

function operatorsCard(page) {
  const box = h("div");
  const table = new Table({
    label: "Operators", key: (row) => row.name, none: empty("Nobody", ""),
    columns: [
      { id: "name", title: "Name", value: (row) => row.name, text: (row) => row.name + (row.name === session.me.name ? " (you)" : "") },
      { id: "role", title: "Role", value: (row) => row.role, text: (row) => row.role },
      { id: "state", title: "Password", draw: (cell, row) => spanCell(cell, `state ${row.temporary ? "warning" : "ok"}`, row.temporary ? "temporary" : "own") },
      { id: "made", title: "Since", class: "nowrap roomy", value: (row) => row.made_s, text: (row) => full(row.made_s).slice(0, -9) },
      { id: "act", title: "Actions", sr: true, class: "num", draw: (cell, row) => {
        const shown = `${row.name} ${row.role}`;
        if (cell.dataset.shown === shown) return;
        cell.dataset.shown = shown;
        cell.replaceChildren(...(row.name === session.me.name ? [] : [h("div", { class: "row end" },
          button(row.role === "viewer" ? "Make operator" : "Make viewer", { class: "small", onclick: () => setRole(row, fetch) }), button("New password", { class: "small", onclick: () => reset(row) }), button("Remove", { class: "small danger", onclick: () => remove(row, fetch) }))]));
      } },
    ],
  });
  async function fetch() {
    try { table.update(await get("/api/operators", {}, page.signal)); if (!table.element.isConnected) box.replaceChildren(table.element); } catch (problem) { if (problem.name !== "AbortError") box.replaceChildren(failure(problem, fetch)); }
  }
  fetch();
  return card("Operators", { class: "flush", sub: "Who may sign in here", tools: button("Add", { onclick: () => add(fetch) }, "plus") }, box);
}

const at = (name, what) => `/api/operators/${encodeURIComponent(name)}/${what}`;

function add(after) {
  ask({
    title: "Add an operator", text: "A password is made here; it is shown once, for you to pass on.", submit: "Add",
    fields: [{ name: "name", label: "Name", required: true, max: 32, hint: "Letters, digits, _ . -" }, { name: "role", label: "Role", kind: "select", value: "viewer", options: [["viewer", "Viewer: looks, changes nothing"], ["operator", "Operator: may do everything"]] }],
    send: (values) => post("/api/operators", { name: values.name.trim(), role: values.role }), after: (made) => { after(); showSecret(made); },
  });
}

const reset = (row) => ask({ title: `New password for ${row.name}`, text: "The old one is good no more, and every session of theirs ends.", submit: "Make a new one", danger: true, send: () => post(at(row.name, "reset")), after: showSecret });
const remove = (row, after) => ask({ title: `Remove ${row.name}`, text: "They are signed out at once and can sign in no more.", submit: "Remove", danger: true, confirm: row.name, send: () => post(at(row.name, "remove")), after });
const setRole = (row, after) => {
  const role = row.role === "viewer" ? "operator" : "viewer";
  return ask({ title: `Make ${row.name} ${role === "operator" ? "an operator" : "a viewer"}`, text: role === "operator" ? "Operators may do everything that can be done from here." : "Viewers look and change nothing.", submit: "Change the role", send: () => post(at(row.name, "role"), { role }), after });
};

function showSecret(made) {
  const copy = async () => { try { await navigator.clipboard.writeText(made.password); done("The password is copied."); } catch { wrong("The browser does not let the page copy: select it by hand."); } };
  tell(`Password of ${made.name}`, h("p", { class: "text", text: "It is shown this once. Pass it on by a safe way; they are asked to choose their own." }),
    h("div", { class: "secret" }, h("span", { text: made.password }), h("button", { type: "button", class: "icon-button", "aria-label": "copy", onclick: copy }, icon("copy"))));
}
