// One incident: what probably happened, what to do, its time line beside what was changed, and the evidence.
import { get, mayAct } from "../api.js";
import { button, card, failure, h, icon, loading, setClass, setText } from "../dom.js";
import * as deeds from "../deeds.js";
import { full, moment, span, time } from "../format.js";
import { live } from "../live.js";
import { to } from "../router.js";
import { alertTable } from "./incidents.js";
import { watched } from "../watched.js";

export const section = "incidents";
export const title = "Incident";
const BEFORE_S = 900, AFTER_S = 600;

export function show(page) {
  const id = page.params.incident;
  const heading = h("h1", { text: `Incident ${id}` }), about = h("p"), badge = h("span"), state = h("span");
  const tools = h("div", { class: "tools" });
  const body = h("div", {}, loading(6));
  let found = null, shown = "";
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("nav", { class: "crumbs", "aria-label": "Where" }, h("a", { href: "/incidents", text: "Incidents" }), icon("right"), h("span", { text: id })),
      h("div", { class: "row" }, heading, badge, state), about), tools),
    body);
  const moments = () => found?.moments || [];
  const parts = { cause: h("p", { class: "lead" }), advice: h("p"), line: h("ol", { class: "timeline" }), nodes: h("div", { class: "chips" }), alerts: alertTable(() => fetch()), charts: h("div", { class: "grid-charts" }) };

  function build() {
    body.replaceChildren(h("div", { class: "incident" },
      h("div", { class: "stack" },
        card("What happened", {}, h("div", { class: "body stack" }, parts.cause, h("div", {}, h("h3", { text: "What to do" }), parts.advice), h("div", {}, h("h3", { text: "Nodes" }), parts.nodes))),
        found.evidence.length > 0 && h("h2", { text: "Evidence" }), parts.charts,
        found.alerts.length > 0 && card("Alerts", { class: "flush" }, parts.alerts.element)),
      card("Time line", { sub: "With what was deployed, restarted and done" }, h("div", { class: "body" }, parts.line))));
    const about_ = found.about;
    const range = () => [about_.begun_s - BEFORE_S, about_.ended_s ? about_.ended_s + AFTER_S : live.now()];
    parts.charts.replaceChildren(...found.evidence.map((spec) => watched(page, spec, { range, moments })));
  }
  function fill() {
    const { about: row } = found;
    page.title(row.title);
    setText(heading, row.title);
    setClass(badge, `badge ${row.severity}`);
    setText(badge, row.severity);
    setClass(state, `badge plain ${row.state === "open" ? "warning" : row.state === "ended" ? "ok" : "notice"}`);
    setText(state, row.acknowledged_by && row.state !== "open" ? `${row.state} by ${row.acknowledged_by}` : row.state);
    setText(about, row.ended_s ? `Began ${full(row.begun_s)}, lasted ${span(row.ended_s - row.begun_s)}` : `Since ${full(row.begun_s)}, for ${span(live.now() - row.begun_s)}`);
    parts.alerts.update(found.alerts);
    const now = JSON.stringify([row, found.moments, found.cause, found.advice]);
    if (now === shown) return;
    shown = now;
    setText(parts.cause, found.cause);
    setText(parts.advice, found.advice);
    parts.nodes.replaceChildren(...(row.nodes.length ? row.nodes.map((node) => h("a", { class: "chip", href: to("nodes", node), text: node })) : [h("span", { class: "muted", text: "No single node." })]));
    parts.line.replaceChildren(...found.moments.map((one) => h("li", { class: `kind-${one.kind} ${one.severity}` }, h("time", { text: time(one.at_s), title: moment(one.at_s) }), h("i"),
      h("div", {}, h("p", { text: one.text }), one.node && h("a", { class: "sub", href: to("nodes", one.node), text: one.node })))));
    tools.replaceChildren(...[
      row.state === "open" && button("Acknowledge", { class: "primary", disabled: !mayAct(), title: mayAct() ? null : "operators only", onclick: () => deeds.acknowledge(id, fetch) }),
      row.state !== "ended" && button("Silence", { disabled: !mayAct(), title: mayAct() ? null : "operators only", onclick: () => deeds.silence(found.alerts[0]?.rule || "", found.alerts.length === 1 ? found.alerts[0].node : "", fetch) }, "bell-off"),
    ].filter(Boolean));
  }
  async function fetch() {
    try {
      const before = found;
      found = await get(`/api/incidents/${encodeURIComponent(id)}`, {}, page.signal);
      if (!before) build();
      fill();
    } catch (problem) { if (problem.name !== "AbortError" && !found) body.replaceChildren(failure(problem, problem.code === "not_found" ? null : fetch)); }
  }
  page.poll(5, fetch);
}
