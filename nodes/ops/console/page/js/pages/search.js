// Searching what nodes logged and what players did.
import { get, vocabulary } from "../api.js";
import { append, button, card, empty, failure, h, loading, searchBox, segments, select, setText } from "../dom.js";
import { fields, full, moment, plural } from "../format.js";
import { live } from "../live.js";
import { query, remember, to } from "../router.js";

export const section = "search";
export const title = "Log and events";
const SINCE = [["3600", "Last hour"], ["21600", "6 hours"], ["86400", "24 hours"], ["", "Any time"]];
const KINDS = { WARNING: "warning", ERROR: "critical", CRITICAL: "critical" };
const PAGE = 100;

export async function show(page) {
  const said = query();
  const chosen = Object.fromEntries(["in", "text", "node", "level", "player", "kind", "since", "trace"].map((name) => [name, said.get(name) || ""]));
  chosen.in ||= "log";
  const about = h("p"), fieldsBox = h("div", { class: "filters" }), body = h("div");
  let words = { log_levels: [], event_kinds: [] }, turn = 0;
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Log and events" }), about),
      h("div", { class: "tools" }, segments("search in", [["log", "Log lines"], ["events", "Events"]], chosen.in, (now) => { chosen.in = now; draw(); look(); }))),
    h("div", { class: "searching" }, fieldsBox), body);

  const set = (name) => (now) => { chosen[name] = now; look(); };
  function draw() {
    const nodes = (live.latest?.overview.nodes || []).map((one) => one.name);
    const node = select("node", [["", "All nodes"], ...nodes.map((one) => [one, one])], chosen.node, set("node"));
    const since = select("time", SINCE, chosen.since, set("since"));
    const parts = chosen.in === "log"
      ? [searchBox("Words in text or fields", chosen.text, set("text"), { class: "wide-search" }), select("level", [["", "All levels"], ...words.log_levels.map((one) => [one, `${one.charAt(0)}${one.slice(1).toLowerCase()} and worse`])], chosen.level, set("level")), node, since]
      : [searchBox("Player", chosen.player, set("player")), select("kind", [["", "All kinds"], ...words.event_kinds.map((one) => [one, one])], chosen.kind, set("kind")), node, since];
    fieldsBox.replaceChildren(...parts);
    if (chosen.trace) append(fieldsBox, [button(`Trace ${chosen.trace}`, { class: "small", onclick: () => { chosen.trace = ""; draw(); look(); } }, "close")]);
  }
  async function look() {
    remember({ ...chosen, in: chosen.in === "log" ? "" : chosen.in });
    const mine = ++turn;
    if (!body.firstChild) body.replaceChildren(card("", {}, loading(8)));
    setText(about, chosen.in === "log" ? "What nodes say to operators, newest first" : "What players did, newest first");
    try {
      const found = await ask(0);
      if (mine !== turn) return;
      drawFound(found);
    } catch (problem) { if (problem.name !== "AbortError" && mine === turn) body.replaceChildren(card("", {}, failure(problem, look))); }
  }
  function ask(until) {
    const common = { node: chosen.node, trace: chosen.trace, since: chosen.since ? Math.floor(live.now() - Number(chosen.since)) : "", until: until || "", limit: PAGE };
    return chosen.in === "log" ? get("/api/logs", { ...common, text: chosen.text, level: chosen.level }, page.signal) : get("/api/events", { ...common, player: chosen.player, kind: chosen.kind }, page.signal);
  }
  function drawFound(found) {
    const rows = found.lines || found.events;
    const make = found.lines ? logRow : bigEventRow;
    const list = h("div", { class: "records" }, rows.map(make));
    const more = h("div", { class: "more" });
    const count = h("p", { class: "small muted" });
    const drawMore = (last, hasMore) => {
      setText(count, `${plural(list.children.length, "row")}${hasMore ? ", there are more" : ""}`);
      more.replaceChildren(count);
      if (hasMore) more.append(button("Show more", { onclick: async (event) => {
        event.currentTarget.disabled = true;
        try {
          const next = await ask(last.at_s);
          const fresh = next.lines || next.events;
          append(list, fresh.map(make));
          drawMore(fresh.at(-1), next.more && fresh.length > 0);
        } catch (problem) { if (problem.name !== "AbortError") more.append(failure(problem)); }
      } }));
    };
    if (rows.length) drawMore(rows.at(-1), found.more);
    body.replaceChildren(...[
      found.unasked.length > 0 && h("div", { class: "wrong-box", role: "status", text: `Not asked, so their rows are missing: ${found.unasked.join(", ")}.` }),
      card("", { class: "flush" }, rows.length ? [list, more] : empty("Nothing was found", "Try fewer words, another node or a longer time.", "search")),
    ].filter(Boolean));
  }
  draw();
  look();
  try { words = await vocabulary(); draw(); } catch { /* without these choices */ }
  if (!live.latest) live.addEventListener("pulse", draw, { once: true, signal: page.signal });
}

function logRow(line) {
  return h("details", { class: `record ${KINDS[line.level] || ""}` },
    h("summary", {}, h("time", { class: "mono", text: moment(line.at_s, live.now()), title: full(line.at_s) }), h("span", { class: "kind", text: line.level.toLowerCase() }), h("span", { class: "node", text: line.node }), h("span", { class: "what" }, h("b", { text: line.text }), h("span", { class: "mono muted", text: fields(line.fields) }))),
    inside(line, [["Time", full(line.at_s)], ["Node", h("a", { class: "link", href: to("nodes", line.node), text: line.node })]]));
}

function bigEventRow(event) {
  return h("details", { class: "record" },
    h("summary", {}, h("time", { class: "mono", text: moment(event.at_s, live.now()), title: full(event.at_s) }), h("span", { class: "kind", text: event.kind }), h("span", { class: "node", text: event.player || "nobody" }), h("span", { class: "what" }, h("span", { class: "mono muted", text: fields(event.fields) }))),
    inside(event, [["Time", full(event.at_s)], ["Player", event.player ? h("a", { class: "link", href: to("players", event.player), text: `${event.player} (${event.account})` }) : "nobody"], ["Node", h("a", { class: "link", href: to("nodes", event.node), text: event.node })]]));
}

function inside(row, entries) {
  const more = Object.entries(row.fields).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]);
  if (row.trace) entries.push(["Trace", h("a", { class: "link mono", href: to("traces", row.trace), text: row.trace })]);
  return h("dl", { class: "facts" }, [...entries, ...more].map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", {}, value))));
}

/** An event in a short list. */
export function eventRow(event) {
  return h("div", {}, h("span", { class: "badge plain", text: event.kind }), h("span", { class: "grow sub mono", text: fields(event.fields) }), h("span", { class: "sub nowrap", text: moment(event.at_s, live.now()) }));
}
