// Incidents, the alerts behind them, and what is silenced.
import { get, mayAct } from "../api.js";
import { button, card, empty, failure, h, segments, setText } from "../dom.js";
import * as deeds from "../deeds.js";
import { briefly, count, moment, ORDER, plural, span, value } from "../format.js";
import { live } from "../live.js";
import { query, remember, to } from "../router.js";
import { Strip } from "../strip.js";
import { linkCell, spanCell, Table } from "../table.js";

export const section = "incidents";
export const title = "Incidents";
const kept = { alerts: {}, open: {}, ended: {} };
const SPANS = [[21600, "6 h"], [86400, "24 h"], [604800, "7 days"]];
let stretch = 86400;

export function show(page) {
  let tab = query().get("show") || "open";
  let rows = [];
  const about = h("p"), body = h("div"), strip = new Strip();
  let moments = [];
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Incidents" }), about),
      h("div", { class: "tools" }, segments("which", [["open", "Open"], ["ended", "Ended"], ["alerts", "Alerts"], ["silences", "Silences"]], tab, (one) => { tab = one; remember({ show: tab === "open" ? "" : tab }); draw(true); }))),
    h("div", { class: "stack" },
      card("Time line", { sub: "Incidents beside what was deployed, restarted and done", tools: segments("stretch of time", SPANS, stretch, (now) => { stretch = Number(now); drawStrip(); fetchMoments(); }) }, strip.element),
      body));
  const open = incidentTable(kept.open, ["severity", true]), ended = incidentTable(kept.ended, ["begun", true]);
  const alerts = alertTable(() => fetchSilences());
  const silences = silenceTable(() => fetchSilences());

  function draw(isAnew = false) {
    if (isAnew || !body.firstChild) {
      const part = { open, ended, alerts, silences }[tab];
      body.replaceChildren(card("", { class: "flush" }, part.element));
      if (tab === "silences") fetchSilences();
    }
    open.update(rows.filter((one) => one.state !== "ended"));
    ended.update(rows.filter((one) => one.state === "ended"));
  }
  const drawStrip = () => strip.draw(rows, moments, stretch, live.now());
  async function fetchMoments() {
    const now = live.now();
    try { moments = await get("/api/moments", { start: Math.floor((now - stretch) / 60) * 60, end: Math.ceil(now / 60) * 60 }, page.signal); drawStrip(); } catch { /* incidents are shown without them */ }
  }
  async function fetchRows() {
    try {
      rows = await get("/api/incidents", { limit: 200 }, page.signal);
      draw();
      drawStrip();
    } catch (problem) { if (problem.name !== "AbortError" && !rows.length) body.replaceChildren(failure(problem, fetchRows)); }
  }
  async function fetchSilences() {
    try { silences.update(await get("/api/silences", {}, page.signal)); } catch (problem) { if (problem.name !== "AbortError") body.replaceChildren(failure(problem, fetchSilences)); }
  }
  page.onPulse((pulse) => {
    const fresh = pulse.incidents.filter((one) => one.state === "open").length;
    setText(about, pulse.incidents.length ? `${plural(fresh, "incident")} open, ${count(pulse.incidents.length - fresh)} acknowledged, ${plural(pulse.alerts.length, "alert")}` : "No incident is open.");
    const ended = rows.filter((one) => one.state === "ended");
    rows = [...pulse.incidents, ...ended.filter((one) => !pulse.incidents.some((other) => other.id === one.id))];
    alerts.update(pulse.alerts);
    draw();
  });
  page.poll(10, fetchRows);
  page.poll(30, fetchMoments);
}

function incidentTable(keep, sort) {
  return new Table({
    label: "Incidents", key: (row) => row.id, href: (row) => to("incidents", row.id), keep, sort, none: empty("Nothing here", "There is no incident like that.", "check"),
    columns: [
      { id: "severity", title: "Severity", value: (row) => ORDER[row.severity], draw: (cell, row) => spanCell(cell, `badge ${row.state === "ended" ? "" : row.severity}`, row.severity) },
      { id: "title", title: "Incident", class: "wrap", value: (row) => row.title, draw: (cell, row) => linkCell(cell, to("incidents", row.id), row.title) },
      { id: "nodes", title: "Nodes", class: "roomy", value: (row) => row.nodes.join(), text: (row) => row.nodes.slice(0, 3).join(", ") + (row.nodes.length > 3 ? ` and ${row.nodes.length - 3} more` : "") },
      { id: "state", title: "State", value: (row) => row.state, text: (row) => (row.acknowledged_by ? `${row.state}, ${row.acknowledged_by}` : row.state) },
      { id: "begun", title: "Began", class: "nowrap", value: (row) => row.begun_s, text: (row) => moment(row.begun_s, live.now()) },
      { id: "lasted", title: "Lasts", num: true, value: (row) => (row.ended_s || live.now()) - row.begun_s, text: (row) => span((row.ended_s || live.now()) - row.begun_s) },
    ],
  });
}

export function alertTable(after) {
  return new Table({
    label: "Alerts", key: (row) => row.id, keep: kept.alerts, none: empty("No alerts", "Every rule holds.", "check"),
    columns: [
      { id: "severity", title: "Severity", value: (row) => ORDER[row.severity], draw: (cell, row) => spanCell(cell, `badge ${row.silenced_until_s ? "" : row.severity}`, row.silenced_until_s ? "silent" : row.severity) },
      { id: "text", title: "Alert", class: "wrap", value: (row) => row.text, draw: (cell, row) => linkCell(cell, row.incident ? to("incidents", row.incident) : to("nodes", row.node), row.text) },
      { id: "rule", title: "Rule", class: "nowrap roomy", value: (row) => row.rule, text: (row) => row.rule },
      { id: "node", title: "Node", value: (row) => row.node, draw: (cell, row) => linkCell(cell, to("nodes", row.node), row.node, "") },
      { id: "value", title: "Value", num: true, value: (row) => row.value, text: (row) => value(row.value, row.unit) },
      { id: "limit", title: "Limit", num: true, value: (row) => row.limit, text: (row) => value(row.limit, row.unit) },
      { id: "since", title: "For", num: true, value: (row) => -row.since_s, text: (row) => briefly(live.now() - row.since_s) },
      { id: "act", title: "Actions", sr: true, class: "num", draw: (cell, row) => {
        if (cell.firstChild) return;
        cell.append(button("Silence", { class: "small", disabled: !mayAct(), onclick: () => deeds.silence(row.rule, row.node, after) }));
      } },
    ],
  });
}

function silenceTable(after) {
  return new Table({
    label: "Silences", key: (row) => row.id, none: empty("Nothing is silenced", "Alerts are silenced from their own list, for a time.", "bell-off"),
    columns: [
      { id: "rule", title: "Rule", text: (row) => row.rule || "every rule" }, { id: "node", title: "Node", text: (row) => row.node || "every node" },
      { id: "until", title: "Until", class: "nowrap", value: (row) => row.until_s, text: (row) => moment(row.until_s, live.now()) },
      { id: "by", title: "By", text: (row) => row.by }, { id: "reason", title: "Reason", class: "wrap", text: (row) => row.reason },
      { id: "act", title: "Actions", sr: true, class: "num", draw: (cell, row) => {
        if (!cell.firstChild) cell.append(button("End it", { class: "small", disabled: !mayAct(), onclick: () => deeds.endSilence(row.id, after) }));
      } },
    ],
  });
}
