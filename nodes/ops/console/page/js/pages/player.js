// One player: where it is, how its connection is, what it has and what happened to it, and what can be done.
import { get, mayAct } from "../api.js";
import { button, card, empty, failure, h, icon, loading, setAttr, setClass, setText } from "../dom.js";
import * as deeds from "../deeds.js";
import { ago, bytes, count, full, moment, plural, seconds, span, value } from "../format.js";
import { live } from "../live.js";
import { to } from "../router.js";
import { spanCell, Table } from "../table.js";
import { STAGES } from "./players.js";
import { eventRow } from "./search.js";

export const section = "players";
export const title = "Player";

export function show(page) {
  const name = page.params.player;
  page.title(name);
  const stage = h("span"), flags = h("span", { class: "row" }), about = h("p"), tools = h("div", { class: "tools" });
  const body = h("div", {}, loading(8));
  const facts = { where: h("dl", { class: "facts" }), network: h("div"), account: h("dl", { class: "facts" }) };
  const history = historyTable(), items = itemTable(), ledger = ledgerTable();
  const events = h("div", { class: "list" }), itemsSub = h("p"), notices = h("div", { class: "stack" });
  let built = false, shownTools = "";
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("nav", { class: "crumbs", "aria-label": "Where" }, h("a", { href: "/players", text: "Players" }), icon("right"), h("span", { text: name })),
      h("div", { class: "row" }, h("h1", { text: name }), stage, flags), about), tools),
    body);

  function build() {
    body.replaceChildren(h("div", { class: "stack" }, notices,
      h("div", { class: "grid-3" },
        card("Whereabouts", {}, h("div", { class: "body" }, facts.where)),
        card("Network", {}, h("div", { class: "body" }, facts.network)),
        card("Character", {}, h("div", { class: "body" }, facts.account))),
      h("div", { class: "grid-2" },
        card("Ledger", { class: "flush", sub: "Durable operations, newest first" }, h("div", { class: "tall" }, ledger.element)),
        h("section", { class: "card flush" }, h("header", {}, h("div", {}, h("h2", { text: "Items" }), itemsSub)), h("div", { class: "tall" }, items.element))),
      h("div", { class: "grid-2" },
        card("Sessions", { class: "flush" }, history.element),
        card("Latest events", { class: "flush", tools: h("a", { class: "link small", href: `/search?in=events&player=${encodeURIComponent(name)}`, text: "All events" }) }, events))));
    built = true;
  }
  function fill(player) {
    const { about: row } = player, now = live.now();
    const banned = player.banned_until_s < 0 || player.banned_until_s > now, muted = player.muted_until_s > now;
    setClass(stage, `badge ${STAGES[row.stage] || ""}`);
    setText(stage, row.stage);
    setText(about, `Account ${row.account}, level ${row.level}, since ${full(player.made_s).slice(0, -9)}`);
    drawFlags(flags, notices, player, banned, muted, now);
    drawFacts(facts.where, [
      ["Map", row.map ? h("a", { class: "link", href: `/world?zone=${row.zone}&map=${row.map}&line=${row.line}`, text: `${row.map}:${row.line}` }) : "", row.map ? `${row.map}:${row.line}` : "not in the world"],
      ["Position", null, row.stage === "offline" ? "" : `${Math.round(row.x_m)}, ${Math.round(row.y_m)} m`], ["Zone", null, row.zone], ["Scene", node(player.scene), player.scene], ["Gate", node(player.gate), player.gate], ["Session", null, player.session],
    ]);
    drawNetwork(facts.network, player.network);
    drawFacts(facts.account, [
      ["Health", null, `${count(player.hp)} of ${count(player.hp_max)}`], ["Level", null, `${row.level}`], ["Experience", null, count(player.xp)], ["Gold", null, count(player.gold)], ["Friends", null, count(player.friends)],
      ["Party", null, player.party.length ? player.party.join(", ") : "none"],
    ]);
    history.update(player.history);
    items.update(player.items);
    setText(itemsSub, plural(player.items.length, "item"));
    ledger.update(player.ledger);
    drawTools(banned, muted, row.stage === "offline");
  }
  function drawTools(banned, muted, offline) {
    const now = `${banned} ${muted} ${offline}`;
    if (now === shownTools) return;
    shownTools = now;
    const able = { disabled: !mayAct(), title: mayAct() ? null : "operators only" };
    tools.replaceChildren(
      button("Message", { ...able, disabled: able.disabled || offline, onclick: () => deeds.message(name, fetch) }),
      muted ? button("Unmute", { ...able, onclick: () => deeds.unmute(name, fetch) }) : button("Mute", { ...able, onclick: () => deeds.mute(name, fetch) }),
      button("Kick", { class: "danger", ...able, disabled: able.disabled || offline, onclick: () => deeds.kick(name, fetch) }),
      banned ? button("End the ban", { class: "danger", ...able, onclick: () => deeds.unban(name, fetch) }) : button("Ban", { class: "danger", ...able, onclick: () => deeds.ban(name, fetch) }));
  }
  async function fetch() {
    try {
      const player = await get(`/api/players/${encodeURIComponent(name)}`, {}, page.signal);
      if (!built) build();
      fill(player);
    } catch (problem) { if (problem.name !== "AbortError" && !built) body.replaceChildren(card("", {}, failure(problem, problem.code === "not_found" ? null : fetch))); }
  }
  page.poll(3, fetch);
  page.poll(10, async () => {
    try {
      const found = await get("/api/events", { player: name, limit: 8 }, page.signal);
      events.replaceChildren(...(found.events.length ? found.events.map(eventRow) : [empty("No events", "Nothing was recorded of this player.")]));
    } catch (problem) { if (problem.name !== "AbortError") events.replaceChildren(failure(problem)); }
  });
}

const node = (name) => (name ? h("a", { class: "link", href: to("nodes", name), text: name }) : null);

function drawFlags(flags, notices, player, banned, muted, now) {
  const until = (at) => (at < 0 ? "for ever" : `until ${moment(at, now)}`);
  const shown = [];
  if (banned) shown.push(["critical", "banned", `Banned ${until(player.banned_until_s)}${player.ban_reason ? `: ${player.ban_reason}` : ""}`]);
  if (muted) shown.push(["warning", "muted", `Muted ${until(player.muted_until_s)}${player.mute_reason ? `: ${player.mute_reason}` : ""}`]);
  const key = JSON.stringify(shown);
  if (flags.dataset.shown === key) return;
  setAttr(flags, "data-shown", key);
  flags.replaceChildren(...shown.map(([kind, text]) => h("span", { class: `badge ${kind}`, text })));
  notices.replaceChildren(...shown.map(([kind, , text]) => h("div", { class: `notice-box ${kind}`, text })));
  notices.hidden = shown.length === 0;
}

/** entries: [name, element or null, text]; elements are made anew only when the text has changed. */
function drawFacts(box, entries) {
  entries.forEach(([name, element, text], at) => {
    let entry = box.children[at];
    if (!entry) box.append(entry = h("div", {}, h("dt", { text: name }), h("dd")));
    if (entry.dataset.text === text) return;
    entry.dataset.text = text;
    entry.lastChild.replaceChildren(element || text || "–");
  });
}

function drawNetwork(box, network) {
  if (!network) { if (!box.querySelector(".empty")) box.replaceChildren(empty("Not connected", "There is no connection to a client.")); return; }
  let facts = box.querySelector("dl");
  if (!facts) box.replaceChildren(facts = h("dl", { class: "facts" }));
  drawFacts(facts, [
    ["Round trip", null, seconds(network.round_trip_s)], ["To the client", null, value(network.sent_bytes_per_s, "bytes_per_s")], ["From the client", null, value(network.received_bytes_per_s, "bytes_per_s")],
    ["Unsent", null, bytes(network.unsent_bytes)], ["Budget", null, value(network.budget_bytes_per_s, "bytes_per_s") + (network.hindered ? ", hindered" : "")], ["Address", null, `${network.address || "operators only"} (${network.transport})`],
  ]);
}

function historyTable() {
  return new Table({
    label: "Sessions", key: (row) => row.session, none: empty("No sessions", "Nothing is known of earlier sessions."),
    columns: [
      { id: "began", title: "Began", class: "nowrap", text: (row) => moment(row.begun_s, live.now()) },
      { id: "lasted", title: "Lasted", num: true, text: (row) => span((row.ended_s || live.now()) - row.begun_s) },
      { id: "gate", title: "Gate", text: (row) => row.gate },
      { id: "end", title: "End", draw: (cell, row) => spanCell(cell, row.ended_s ? "muted" : "state ok", row.ended_s ? row.ended_by : "goes on") },
    ],
  });
}

function itemTable() {
  return new Table({
    label: "Items", key: (row) => row.id, none: empty("No items", "This character has nothing."),
    columns: [
      { id: "kind", title: "Item", text: (row) => row.kind }, { id: "origin", title: "From", text: (row) => row.origin },
      { id: "since", title: "Since", num: true, text: (row) => ago(row.since_s, live.now()) }, { id: "id", title: "Number", num: true, class: "mono", text: (row) => row.id },
    ],
  });
}

function ledgerTable() {
  return new Table({
    label: "Ledger", key: (row) => row.id, none: empty("No operations", "Nothing durable was done by this account."),
    columns: [
      { id: "at", title: "Time", class: "nowrap", text: (row) => moment(row.at_s, live.now()) }, { id: "kind", title: "Operation", text: (row) => row.kind },
      { id: "with", title: "With, what", text: (row) => [row.other, ...row.items].filter(Boolean).join(", ") },
      { id: "gold", title: "Gold", num: true, draw: (cell, row) => spanCell(cell, row.gold > 0 ? "gain" : row.gold < 0 ? "loss" : "muted", row.gold ? `${row.gold > 0 ? "+" : "−"}${count(Math.abs(row.gold))}` : "") },
      { id: "balance", title: "Balance", num: true, text: (row) => count(row.balance) },
    ],
  });
}
