// Traces: logins and what they caused, the latest, the slowest or those that failed.
import { get, vocabulary } from "../api.js";
import { card, empty, failure, h, searchBox, segments, select, setText } from "../dom.js";
import { moment, plural, seconds } from "../format.js";
import { live } from "../live.js";
import { query, remember, to } from "../router.js";
import { linkCell, spanCell, Table } from "../table.js";

export const section = "traces";
export const title = "Traces";

export async function show(page) {
  const said = query();
  const chosen = { order: said.get("order") || "latest", kind: said.get("kind") || "", subject: said.get("subject") || "" };
  const about = h("p"), kinds = h("span"), body = h("div");
  let longest = 1, slow = Infinity;
  const table = new Table({
    label: "Traces", key: (row) => row.id, href: (row) => to("traces", row.id), none: empty("No trace", "Nodes keep the last 500 and the slowest of each kind.", "traces"),
    columns: [
      { id: "id", title: "Trace", draw: (cell, row) => linkCell(cell, to("traces", row.id), row.id, "name mono") },
      { id: "kind", title: "Kind", text: (row) => row.kind },
      { id: "subject", title: "Of", draw: (cell, row) => linkCell(cell, to("players", row.subject), row.subject, "") },
      { id: "result", title: "Result", draw: (cell, row) => spanCell(cell, `state ${row.failed ? "critical" : "ok"}`, row.failed || "ok") },
      { id: "duration", title: "Duration", class: "duration", draw: drawDuration },
      { id: "hops", title: "Hops", num: true, text: (row) => String(row.hops) },
      { id: "began", title: "Began", class: "nowrap", text: (row) => moment(row.began_s, live.now()) },
    ],
  });
  function drawDuration(cell, row) {
    if (!cell.firstChild) cell.append(h("div", { class: "with-meter" }, h("div", { class: "meter" }, h("i")), h("span", { class: "num" })));
    const [meter, number] = cell.firstChild.children;
    meter.className = `meter ${row.failed ? "v4" : row.duration_us > slow ? "v2" : ""}`;
    meter.firstChild.style.width = `${Math.max(2, (row.duration_us / longest) * 100)}%`;
    setText(number, seconds(row.duration_us / 1e6));
  }
  async function fetch() {
    try {
      const rows = await get("/api/traces", { ...chosen, limit: 100 }, page.signal);
      longest = Math.max(1, ...rows.map((row) => row.duration_us));
      slow = 2 * middle(rows.map((row) => row.duration_us));
      if (!table.element.isConnected) body.replaceChildren(card("", { class: "flush" }, table.element));
      table.update(rows);
      setText(about, `${plural(rows.length, "trace")}: what a login caused, node by node`);
    } catch (problem) { if (problem.name !== "AbortError") body.replaceChildren(failure(problem, fetch)); }
  }
  const set = (name) => (now) => { chosen[name] = now; remember({ ...chosen, order: chosen.order === "latest" ? "" : chosen.order }); fetch(); };
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Traces" }), about),
      h("div", { class: "tools filters" }, segments("which", [["latest", "Latest"], ["slowest", "Slowest"], ["failed", "Failed"]], chosen.order, set("order")), kinds, searchBox("Of which player", chosen.subject, set("subject")))),
    body);
  page.poll(5, fetch);
  try {
    const { trace_kinds } = await vocabulary();
    kinds.append(select("kind", [["", "All kinds"], ...trace_kinds.map((one) => [one, one])], chosen.kind, set("kind")));
  } catch { /* without this choice */ }
}

/** The median. */
function middle(numbers) {
  return numbers.length ? [...numbers].sort((a, b) => a - b)[numbers.length >> 1] : 0;
}
