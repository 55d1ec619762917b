// Signing in.
import { post } from "../api.js";
import { button, h } from "../dom.js";

export function signIn(enter) {
  const name = h("input", { type: "text", id: "name", name: "name", autocomplete: "username", autocapitalize: "off", spellcheck: "false", required: true });
  const password = h("input", { type: "password", id: "password", name: "password", autocomplete: "current-password", required: true });
  const problem = h("div", { class: "wrong-box", role: "alert", hidden: true });
  const submit = button("Sign in", { type: "submit", class: "primary" });
  const form = h("form", { onsubmit: send, novalidate: true },
    h("div", { class: "card" },
      h("div", { class: "logo" }, h("img", { src: "/page/favicon.svg", alt: "" }), h("div", {}, h("h1", { text: "zonemesh" }), h("p", { text: "Operator console" }))),
      problem,
      h("div", { class: "field" }, h("label", { for: "name", text: "Name" }), name),
      h("div", { class: "field" }, h("label", { for: "password", text: "Password" }), password),
      submit),
    h("p", { class: "foot", text: "The first password was printed by the ops node when it started for the first time." }));

  async function send(event) {
    event.preventDefault();
    if (!name.value || !password.value) { (name.value ? password : name).focus(); return; }
    submit.disabled = true;
    try {
      enter(await post("/api/sign-in", { name: name.value.trim(), password: password.value }));
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      password.value = "";
      password.focus();
    } finally {
      submit.disabled = false;
    }
  }
  return h("div", { class: "door" }, form);
}
