// The search at the top: pages, nodes, incidents and players, from the keyboard.
import { get } from "./api.js";
import { h, icon } from "./dom.js";
import { byNumber } from "./format.js";
import { live } from "./live.js";
import { navigate, to } from "./router.js";
import { SECTIONS } from "./shell.js";

const EACH = 5;

export function finder(signal) {
  const input = h("input", { type: "search", id: "finder", role: "combobox", "aria-expanded": "false", "aria-controls": "finder-list", "aria-autocomplete": "list",
    placeholder: "Search nodes, players, pages", "aria-label": "Search nodes, players and pages", autocomplete: "off", spellcheck: "false" });
  const list = h("div", { class: "finder-list", id: "finder-list", role: "listbox", "aria-label": "Found", hidden: true });
  const box = h("div", { class: "finder" }, icon("search"), input, h("kbd", { text: "/", "aria-hidden": "true" }), list);
  let found = [], at = 0, asked = 0, timer = 0;

  const shut = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const mark = (number) => {
    at = number;
    list.querySelectorAll("[role=option]").forEach((one, position) => {
      one.setAttribute("aria-selected", String(position === at));
      if (position === at) { one.scrollIntoView({ block: "nearest" }); input.setAttribute("aria-activedescendant", one.id); }
    });
  };
  const choose = (number) => {
    const chosen = found[number];
    if (!chosen) return;
    input.value = "";
    shut();
    input.blur();
    navigate(chosen.address);
  };

  function draw(groups) {
    found = groups.flatMap(([, entries]) => entries);
    let position = 0;
    list.replaceChildren(...groups.filter(([, entries]) => entries.length).flatMap(([title, entries]) => [h("h3", { text: title }), ...entries.map((entry) => {
      const number = position++;
      return h("div", { role: "option", id: `finder-${number}`, "aria-selected": "false", onpointerdown: (event) => { event.preventDefault(); choose(number); }, onpointermove: () => at !== number && mark(number) },
        icon(entry.icon), h("span", { text: entry.text }), entry.sub && h("small", { text: entry.sub }));
    })]));
    if (!found.length) list.append(h("p", { text: "Nothing is called that. A player is found by the beginning of its name, or its account number." }));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    if (found.length) mark(0);
  }

  function look() {
    const text = input.value.trim().toLowerCase();
    clearTimeout(timer);
    if (!text) { shut(); return; }
    const groups = here(text);
    draw(groups);
    const mine = ++asked;
    timer = setTimeout(async () => {
      try {
        const players = await get("/api/players", { text, limit: EACH }, signal);
        if (mine === asked && !list.hidden) draw([...groups, ["Players", players.map((one) => ({ icon: "players", text: one.name, sub: one.map ? `${one.map}:${one.line}` : one.stage, address: to("players", one.name) }))]]);
      } catch { /* what is here is shown */ }
    }, 160);
  }

  input.addEventListener("input", look);
  input.addEventListener("focus", () => { if (input.value) look(); });
  input.addEventListener("blur", shut);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { input.value = ""; shut(); input.blur(); }
    else if (event.key === "ArrowDown") { event.preventDefault(); if (found.length) mark((at + 1) % found.length); }
    else if (event.key === "ArrowUp") { event.preventDefault(); if (found.length) mark((at + found.length - 1) % found.length); }
    else if (event.key === "Enter" && !list.hidden) { event.preventDefault(); choose(at); }
  });
  return box;
}

function here(text) {
  const pages = SECTIONS.flatMap(([, entries]) => entries).filter(([, , title]) => title.toLowerCase().includes(text)).slice(0, EACH)
    .map(([id, path, title]) => ({ icon: id, text: title, address: path }));
  const nodes = (live.latest?.overview.nodes || []).filter((one) => one.name.includes(text)).sort((a, b) => byNumber(a.name, b.name)).slice(0, EACH)
    .map((one) => ({ icon: "nodes", text: one.name, sub: `zone ${one.zone}, ${one.state}`, address: to("nodes", one.name) }));
  const incidents = (live.latest?.incidents || []).filter((one) => one.title.toLowerCase().includes(text)).slice(0, EACH)
    .map((one) => ({ icon: "incidents", text: one.title, address: to("incidents", one.id) }));
  return [["Nodes", nodes], ["Incidents", incidents], ["Pages", pages]];
}
