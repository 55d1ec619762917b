// One node: how it is, its charts, its links, what it logs, and what can be done with it.
import { get, mayAct } from "../api.js";
import { button, card, empty, failure, h, icon, segments, setAttr, setClass, setText } from "../dom.js";
import * as deeds from "../deeds.js";
import { bytes, count, fields, moment, pressureClass, ratio, seconds, short, span, STATES, value } from "../format.js";
import { live } from "../live.js";
import { to } from "../router.js";
import { linkCell, spanCell, Table } from "../table.js";
import { watched } from "../watched.js";

export const section = "nodes";
export const title = "Node";
const EVERY = [
  ["Processor time", "process_cpu_seconds_total", "rate"], ["Memory", "process_resident_memory_bytes", "value"],
  ["Loop lag, 99 %", "mesh_loop_lag_seconds", "p99"], ["Messages sent", "mesh_said_total", "rate"],
];
const OF_ROLE = {
  gate: [["Clients", "gate_clients", "value"], ["Bytes to clients", "gate_bytes_sent_total", "rate"], ["Movement age, 99 %", "gate_move_seconds", "p99"]],
  scene: [["Players", "scene_players", "value"], ["Tick time, 99 %", "scene_tick_seconds", "p99"]],
  dc: [["Commit time, 99 %", "dc_commit_seconds", "p99"], ["Operations that wait", "dc_queue_depth", "value"], ["Durable operations", "dc_durable_acked_total", "rate"]],
  login: [["Logins", "login_results_total", "rate"], ["Login time, 99 %", "login_seconds", "p99"]],
  log: [["Writing, 99 %", "log_write_seconds", "p99"], ["Bytes of events", "log_raw_bytes_total", "rate"]],
  center: [["Players in the zone", "center_players", "value"], ["Logins that wait", "center_queue", "value"]],
};
const SINGLE = ["center", "dc"];
let chosenSpan = 3600;

export function show(page) {
  const name = page.params.node;
  page.title(name);
  const about = h("p"), state = h("span"), level = h("span");
  const actions = h("div", { class: "tools", hidden: true });
  const facts = h("dl", { class: "facts" });
  const charts = h("div", { class: "grid-charts" });
  const missing = h("div");
  const body = h("div", { class: "stack", hidden: true });
  const links = linkTable();
  const lines = h("div", { class: "list" });
  page.root.append(
    h("div", { class: "head" },
      h("div", {}, h("nav", { class: "crumbs", "aria-label": "Where" }, h("a", { href: "/nodes", text: "Nodes" }), icon("right"), h("span", { text: name })),
        h("div", { class: "row" }, h("h1", { text: name }), state, level), about),
      actions),
    missing, body);
  body.append(
    card("", {}, h("div", { class: "body" }, facts)),
    h("div", { class: "row spread" }, h("h2", { text: "Charts" }), segments("time", [[900, "15 min"], [3600, "1 h"], [21600, "6 h"], [86400, "24 h"]], chosenSpan, (span_) => { chosenSpan = Number(span_); drawCharts(); })),
    charts,
    h("div", { class: "grid-2" },
      card("Links", { class: "flush", sub: "Both directions together" }, h("div", { class: "tall" }, links.element)),
      card("Latest log lines", { class: "flush", tools: h("a", { class: "link small", href: `/search?node=${encodeURIComponent(name)}`, text: "Search" }) }, lines)));

  let role = "", chartsEnd = null;
  const entries = new Map();
  function drawCharts() {
    chartsEnd?.abort();
    chartsEnd = new AbortController();
    const sub = { ...page, signal: chartsEnd.signal, poll: (seconds_, ask) => pollUntil(seconds_, ask, chartsEnd.signal) };
    charts.replaceChildren(...[...(OF_ROLE[role] || []), ...EVERY].map(([text, metric, how]) =>
      watched(sub, { title: text, name: metric, how, by: ["node"], where: { node: name } }, { span: chosenSpan })));
  }
  page.signal.addEventListener("abort", () => chartsEnd?.abort());

  page.onPulse(({ overview, alerts }) => {
    const node = overview.nodes.find((one) => one.name === name);
    body.hidden = actions.hidden = !node;
    if (!node) { if (!missing.firstChild) missing.append(failure({ code: "not_found", message: `There is no node ${name} in ${overview.cluster}.` })); return; }
    missing.replaceChildren();
    setText(about, `${node.role} of zone ${node.zone} on ${node.host}${node.note ? `: ${node.note}` : ""}`);
    setClass(state, `badge ${STATES[node.state] || ""}`);
    setText(state, node.state);
    setClass(level, `badge plain ${node.level >= 3 ? "critical" : node.level ? "warning" : ""}`);
    setText(level, `Level ${node.level} ${overview.levels[node.level] || ""}${node.pinned ? ", set by hand" : ""}`);
    drawFacts(facts, entries, node, overview.levels);
    links.update(overview.links.filter((link) => link.source === name || link.target === name).map((link) => ({ ...link, peer: link.source === name ? link.target : link.source })));
    drawAlerts(body, alerts.filter((alert) => alert.node === name));
    if (role !== node.role) { role = node.role; drawCharts(); drawActions(actions, node, page); }
  });
  page.poll(5, async () => {
    try {
      const found = await get("/api/logs", { node: name, limit: 8 }, page.signal);
      lines.replaceChildren(...(found.lines.length ? found.lines.map(lineRow) : [empty("No log lines", "This node has logged nothing lately.")]));
    } catch (problem) {
      if (problem.name !== "AbortError") lines.replaceChildren(failure(problem));
    }
  });
}

function pollUntil(every, ask, signal) {
  ask();
  const timer = setInterval(() => { if (!document.hidden) ask(); }, every * 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function drawActions(box, node, page) {
  const level = () => (live.node(node.name)?.pinned ? live.node(node.name).level : null);
  const only = !mayAct() ? "operators only" : null;
  box.replaceChildren(
    button("Set level", { onclick: () => deeds.pin(node.name, level()), disabled: Boolean(only), title: only }),
    button("Drain", { class: "danger", onclick: () => deeds.drain(node.name), disabled: Boolean(only) || SINGLE.includes(node.role), title: SINGLE.includes(node.role) ? `a zone has one ${node.role}, which is restarted instead` : only }),
    button("Restart", { class: "danger", onclick: () => deeds.restart(node.name), disabled: Boolean(only), title: only }));
  setAttr(box, "data-page", page.params.node);
}

function drawFacts(box, entries, node, levels) {
  const rows = [
    ["Pressure", `${ratio(node.pressure)}${node.reason ? ` (${node.reason})` : ""}`], ["Players", !node.players && !node.capacity ? "–" : node.capacity ? `${count(node.players)} of ${count(node.capacity)}` : count(node.players)],
    ["CPU", `${ratio(node.cpu_ratio)} of a core`], ["Memory", bytes(node.rss_bytes)], ["Loop lag, 99 %", seconds(node.lag_s)], ["Messages", value(node.messages_per_s, "per_s")],
    ["Up for", span(node.uptime_s)], ["Version", node.version], ["Process", node.process], ["Incarnation", node.incarnation],
  ];
  for (const [name, text] of rows) {
    let entry = entries.get(name);
    if (!entry) {
      entry = h("dd");
      entries.set(name, entry);
      box.append(h("div", {}, h("dt", { text: name }), entry));
    }
    setText(entry, text);
    if (name === "Pressure") setClass(entry, node.level || node.pressure >= 0.85 ? `level ${pressureClass(node.pressure, node.level)}` : "");
  }
  setAttr(box, "aria-label", `${node.name}, level ${levels[node.level]}`);
}

function drawAlerts(body, alerts) {
  let box = body.querySelector(".node-alerts");
  if (!alerts.length) { box?.remove(); return; }
  if (!box) body.prepend(box = h("div", { class: "card list node-alerts" }));
  const shown = alerts.map((alert) => `${alert.id} ${alert.text}`).join();
  if (box.dataset.shown === shown) return;
  box.dataset.shown = shown;
  box.replaceChildren(...alerts.map((alert) => h("a", { href: alert.incident ? to("incidents", alert.incident) : "/incidents" },
    h("span", { class: `mark ${alert.severity}` }), h("span", { class: "grow" }, h("span", { class: "title", text: alert.text }), h("br"), h("span", { class: "sub", text: `${alert.rule}, since ${moment(alert.since_s, live.now())}` })), icon("right"))));
}

function linkTable() {
  return new Table({
    label: "Links", key: (row) => row.peer, sort: ["messages", true], none: empty("No links", "This node talks to nobody."),
    columns: [
      { id: "peer", title: "Peer", value: (row) => row.peer, draw: (cell, row) => linkCell(cell, to("nodes", row.peer), row.peer) },
      { id: "up", title: "State", value: (row) => Number(row.up), draw: (cell, row) => spanCell(cell, `state ${row.up ? "ok" : "critical"}`, row.up ? "up" : "down") },
      { id: "messages", title: "Messages/s", num: true, value: (row) => row.messages_per_s, text: (row) => short(row.messages_per_s) },
      { id: "bytes", title: "Bytes/s", num: true, value: (row) => row.bytes_per_s, text: (row) => bytes(row.bytes_per_s) },
    ],
  });
}

/** A log line in a short list; also of traces. */
export function lineRow(line) {
  const kinds = { WARNING: "warning", ERROR: "critical", CRITICAL: "critical" };
  return h("div", { class: "log-line" }, h("span", { class: `mark ${kinds[line.level] || ""}` }), h("span", { class: "grow" },
    h("span", { class: "title", text: line.text }), h("br"), h("span", { class: "sub mono", text: fields(line.fields) || line.level.toLowerCase() })),
    h("span", { class: "sub nowrap", text: moment(line.at_s, live.now()) }));
}
