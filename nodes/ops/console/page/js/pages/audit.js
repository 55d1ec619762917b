// Who did what from this console.
import { get, mayAct } from "../api.js";
import { card, empty, failure, h, searchBox, setText } from "../dom.js";
import { fields, full, moment, plural } from "../format.js";
import { live } from "../live.js";
import { query, remember } from "../router.js";
import { spanCell, Table } from "../table.js";

export const section = "audit";
export const title = "Audit";
const OUTCOMES = { done: "ok", refused: "warning", failed: "critical", unknown: "critical", asked: "notice" };

export function show(page) {
  let text = query().get("text") || "";
  const about = h("p"), body = h("div");
  const table = new Table({
    label: "Audit trail", key: (row) => String(row.id), none: empty("Nothing was done", "Or nothing that fits.", "audit"),
    columns: [
      { id: "at", title: "Time", class: "nowrap", draw: (cell, row) => { setText(cell, moment(row.at_s, live.now())); cell.title = full(row.at_s); } },
      { id: "by", title: "Who", text: (row) => row.by }, { id: "action", title: "Action", class: "nowrap", text: (row) => row.action }, { id: "target", title: "To what", text: (row) => row.target },
      { id: "outcome", title: "Outcome", draw: (cell, row) => spanCell(cell, `state ${OUTCOMES[row.outcome] || ""}`, row.outcome === "asked" ? "under way" : row.outcome) },
      { id: "text", title: "Words", class: "wrap", text: (row) => [row.text, fields(row.details)].filter(Boolean).join("  ·  ") },
      { id: "address", title: "From", class: "mono nowrap roomy", text: (row) => row.address },
    ],
  });
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Audit" }), about),
      h("div", { class: "tools filters" }, searchBox("Who, what, to whom", text, (now) => { text = now; remember({ text }); fetch(); }))), body);
  if (!mayAct()) { body.append(card("", {}, empty("For operators", "You are signed in as a viewer.", "audit"))); return; }
  async function fetch() {
    try {
      const rows = await get("/api/audit", { text, limit: 300 }, page.signal);
      if (!table.element.isConnected) body.replaceChildren(card("", { class: "flush" }, table.element));
      table.update(rows);
      setText(about, `${plural(rows.length, "entry", "entries")}, newest first; the whole of it is in the node's file audit.jsonl`);
    } catch (problem) { if (problem.name !== "AbortError") body.replaceChildren(failure(problem, fetch)); }
  }
  page.poll(5, fetch);
}
