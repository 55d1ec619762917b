// What operators can have done, in one place.
import { mayAct } from "../api.js";
import { button, card, h, select, setText } from "../dom.js";
import * as deeds from "../deeds.js";
import { byNumber, count, plural } from "../format.js";
import { live } from "../live.js";
import { spanCell, Table } from "../table.js";

export const section = "actions";
export const title = "Actions";

export function show(page) {
  const off = !mayAct();
  const nodes = h("span", { class: "grow" });
  let chosen = "";
  const act = (text, run, danger = false) => button(text, { class: danger ? "danger" : "", disabled: off, onclick: () => chosen && run(chosen) });
  const empties = act("Drain", deeds.drain, true);
  const able = () => { empties.disabled = off || ["center", "dc"].includes(live.node(chosen)?.role); };
  const roles = roleTable(off);
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Actions" }), h("p", { text: off ? "You are signed in as a viewer: these are for operators." : "Everything that is done here is in the audit trail, with your name." }))),
    h("div", { class: "stack" },
      h("div", { class: "grid-2" },
        card("Broadcast", {}, h("div", { class: "body deed" }, h("p", { text: "A message that every player reads at once, in all zones or in one." }), button("Write a broadcast", { class: "primary", disabled: off, onclick: () => deeds.broadcast() }))),
        card("A player", {}, h("div", { class: "body deed" }, h("p", { text: "Message, mute, kick and ban are on the page of the player." }), h("a", { class: "button", href: "/players", text: "Find a player" })))),
      card("A node", {}, h("div", { class: "body deed" }, h("p", { text: "Drain: it hands over what it has and takes nothing new. Restart: players stay connected. Level: what it leaves out, whatever its pressure is." }),
        h("div", { class: "row" }, nodes, act("Set level", (name) => deeds.pin(name, live.node(name)?.pinned ? live.node(name).level : null)), empties, act("Restart", deeds.restart, true)))),
      card("Scale", { class: "flush", sub: "How many nodes of a role serve in a zone" }, roles.element)));

  page.onPulse(({ overview }) => {
    const names = overview.nodes.map((node) => node.name).sort(byNumber);
    if (nodes.dataset.names !== names.join()) {
      nodes.dataset.names = names.join();
      if (!names.includes(chosen)) chosen = names[0] || "";
      nodes.replaceChildren(select("node", names.map((name) => [name, name]), chosen, (now) => { chosen = now; able(); }));
      able();
    }
    const groups = new Map();
    for (const node of overview.nodes) {
      const key = `${node.role} ${node.zone}`;
      const group = groups.get(key) || { key, role: node.role, zone: node.zone, nodes: 0, ready: 0, players: 0, pressure: 0 };
      group.nodes += 1;
      group.ready += node.state === "Ready";
      group.players += node.players;
      group.pressure = Math.max(group.pressure, node.pressure);
      groups.set(key, group);
    }
    roles.update([...groups.values()].filter((one) => ["gate", "login", "scene", "log"].includes(one.role)).sort((a, b) => byNumber(a.zone, b.zone) || byNumber(a.role, b.role)));
  });
}

function roleTable(off) {
  return new Table({
    label: "Roles", key: (row) => row.key,
    columns: [
      { id: "role", title: "Role", text: (row) => row.role }, { id: "zone", title: "Zone", text: (row) => row.zone },
      { id: "ready", title: "Serving", draw: (cell, row) => spanCell(cell, `state ${row.ready === row.nodes ? "ok" : "warning"}`, `${row.ready} of ${plural(row.nodes, "node")}`) },
      { id: "players", title: "Players", num: true, text: (row) => (row.players ? count(row.players) : "") },
      { id: "pressure", title: "Highest pressure", num: true, text: (row) => `${Math.round(row.pressure * 100)} %` },
      { id: "act", title: "Actions", sr: true, class: "num", draw: (cell, row) => {
        cell.row = row;
        if (!cell.firstChild) cell.append(button("Scale", { class: "small", disabled: off, onclick: () => deeds.scale(cell.row.role, cell.row.zone, cell.row.nodes) }));
        setText(cell.firstChild, "Scale");
      } },
    ],
  });
}
