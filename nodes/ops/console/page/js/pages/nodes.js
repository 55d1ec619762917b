// All nodes in one table.
import { card, empty, h, searchBox, select, setText } from "../dom.js";
import { briefly, byNumber, bytes, count, pressureClass, ratio, seconds, short, STATES, levelClass } from "../format.js";
import { query, remember, to } from "../router.js";
import { linkCell, meterCell, spanCell, Table } from "../table.js";

export const section = "nodes";
export const title = "Nodes";
const kept = {};

export function show(page) {
  const chosen = { text: query().get("text") || "", role: query().get("role") || "", zone: query().get("zone") || "" };
  let nodes = [], levels = [];
  const about = h("p");
  const table = new Table({
    label: "Nodes", key: (row) => row.name, href: (row) => to("nodes", row.name), keep: kept, none: empty("No node fits", "Nothing is called that in this role and zone.", "nodes"),
    columns: [
      { id: "name", title: "Node", value: (row) => row.name, draw: (cell, row) => linkCell(cell, to("nodes", row.name), row.name) },
      { id: "state", title: "State", value: (row) => row.state, draw: (cell, row) => spanCell(cell, `state ${STATES[row.state] || ""}`, row.away_s ? `Away ${briefly(row.away_s)}` : row.state) },
      { id: "role", title: "Role", class: "roomy", value: (row) => row.role, text: (row) => row.role },
      { id: "zone", title: "Zone", class: "roomy", value: (row) => row.zone, text: (row) => row.zone },
      { id: "pressure", title: "Pressure", num: true, value: (row) => row.pressure, draw: (cell, row) => meterCell(cell, pressureClass(row.pressure, row.level), row.pressure, ratio(row.pressure)) },
      { id: "level", title: "Level", value: (row) => row.level, draw: (cell, row) => spanCell(cell, `level ${levelClass(row.level)}`, `${row.level} ${levels[row.level] || ""}${row.pinned ? " (set)" : ""}`) },
      { id: "players", title: "Players", num: true, value: (row) => row.players, text: (row) => (row.players ? count(row.players) : "") },
      { id: "cpu", title: "CPU", num: true, value: (row) => row.cpu_ratio, text: (row) => ratio(row.cpu_ratio) },
      { id: "rss", title: "Memory", num: true, value: (row) => row.rss_bytes, text: (row) => bytes(row.rss_bytes) },
      { id: "lag", title: "Loop lag", num: true, value: (row) => row.lag_s, text: (row) => seconds(row.lag_s) },
      { id: "messages", title: "Messages/s", num: true, value: (row) => row.messages_per_s, text: (row) => short(row.messages_per_s) },
      { id: "uptime", title: "Up", num: true, value: (row) => row.uptime_s, text: (row) => briefly(row.uptime_s) },
      { id: "version", title: "Version", class: "roomy", value: (row) => row.version, text: (row) => row.version },
    ],
  });
  const roles = h("span"), zones = h("span");
  const draw = () => {
    const text = chosen.text.toLowerCase();
    const rows = nodes.filter((row) => (!text || row.name.includes(text) || row.host.includes(text) || row.state.toLowerCase().includes(text)) && (!chosen.role || row.role === chosen.role) && (!chosen.zone || row.zone === chosen.zone));
    table.update(rows);
    setText(about, rows.length === nodes.length ? `${nodes.length} nodes, ${nodes.filter((row) => row.state === "Ready").length} of them Ready` : `${rows.length} of ${nodes.length} nodes`);
  };
  const set = (name) => (now) => { chosen[name] = now; remember(chosen); draw(); };
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Nodes" }), about),
      h("div", { class: "tools filters" }, searchBox("Filter nodes", chosen.text, set("text")), roles, zones)),
    card("", { class: "flush" }, table.element));
  page.onPulse(({ overview }) => {
    nodes = [...overview.nodes].sort((a, b) => byNumber(a.role, b.role) || byNumber(a.name, b.name));
    levels = overview.levels;
    if (!roles.firstChild) {
      const known = [...new Set(nodes.map((row) => row.role))];
      roles.append(select("role", [["", "All roles"], ...known.map((one) => [one, one])], chosen.role, set("role")));
      zones.append(select("zone", [["", "All zones"], ...overview.zones.map((one) => [one.name, `Zone ${one.name}`])], chosen.zone, set("zone")));
    }
    draw();
  });
}
