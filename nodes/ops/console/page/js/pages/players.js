// Finding a player.
import { get } from "../api.js";
import { card, empty, failure, h, searchBox, setText } from "../dom.js";
import { count } from "../format.js";
import { query, remember, to } from "../router.js";
import { linkCell, spanCell, Table } from "../table.js";

export const section = "players";
export const title = "Players";
const LIMIT = 50;
export const STAGES = { online: "ok", linkdead: "warning", offline: "" };

export function show(page) {
  let text = query().get("text") || "", turn = 0;
  const about = h("p"), body = h("div");
  const table = new Table({
    label: "Players", key: (row) => String(row.account), href: (row) => to("players", row.name), none: empty("No such player", "A player is found by the beginning of its name, or by its account number.", "players"),
    columns: [
      { id: "name", title: "Name", draw: (cell, row) => linkCell(cell, to("players", row.name), row.name) },
      { id: "stage", title: "State", draw: (cell, row) => spanCell(cell, `state ${STAGES[row.stage] || ""}`, row.stage) },
      { id: "where", title: "Where", class: "nowrap", text: (row) => (row.map ? `${row.map}:${row.line} in zone ${row.zone}` : "") },
      { id: "level", title: "Level", num: true, text: (row) => String(row.level) },
      { id: "account", title: "Account", num: true, text: (row) => String(row.account) },
    ],
  });
  const input = searchBox("Name or account number", text, (now) => { text = now; remember({ text }); look(); }, { class: "wide-search", id: "player-search" });
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Players" }), about)),
    h("div", { class: "searching" }, h("div", { class: "filters" }, input)), body);

  async function look() {
    const mine = ++turn;
    try {
      const rows = await get("/api/players", { text, limit: LIMIT }, page.signal);
      if (mine !== turn) return;
      if (!table.element.isConnected) body.replaceChildren(card("", { class: "flush" }, table.element));
      table.update(rows);
      setText(about, rows.length === LIMIT ? `The first ${count(LIMIT)}: type more of the name` : `${count(rows.length)} found`);
    } catch (problem) { if (problem.name !== "AbortError") body.replaceChildren(failure(problem, look)); }
  }
  look();
  input.focus({ preventScroll: true });
}
