// One trace: where its time went, and what was logged and recorded with its number.
import { get } from "../api.js";
import { card, empty, failure, h, icon, loading, setAttr } from "../dom.js";
import { full, plural, seconds } from "../format.js";
import { to } from "../router.js";
import { eventRow } from "./search.js";
import { lineRow } from "./node.js";

export const section = "traces";
export const title = "Trace";

export async function show(page) {
  const id = page.params.trace;
  page.title(`Trace ${id}`);
  const body = h("div", {}, loading(8));
  const head = h("div", { class: "head" }, h("div", {}, h("nav", { class: "crumbs", "aria-label": "Where" }, h("a", { href: "/traces", text: "Traces" }), icon("right"), h("span", { class: "mono", text: id }))));
  page.root.append(head, body);
  let found;
  try { found = await get(`/api/traces/${encodeURIComponent(id)}`, {}, page.signal); } catch (problem) {
    if (problem.name !== "AbortError") body.replaceChildren(failure(problem));
    return;
  }
  const { about, spans, lines, events } = found;
  head.firstChild.append(
    h("div", { class: "row" }, h("h1", { text: `${about.kind.charAt(0).toUpperCase()}${about.kind.slice(1)} of ${about.subject}` }), h("span", { class: `badge ${about.failed ? "critical" : "ok"}`, text: about.failed || "ok" })),
    h("p", {}, `${full(about.began_s)}, ${seconds(about.duration_us / 1e6)}, ${plural(about.hops, "hop")}; `, h("a", { class: "link", href: to("players", about.subject), text: about.subject })));
  body.replaceChildren(h("div", { class: "stack" },
    card("Waterfall", { tools: legend() }, waterfall(spans, about.duration_us)),
    h("div", { class: "grid-2" },
      card("Time by node", { class: "flush" }, byNode(spans)),
      h("div", { class: "stack" },
        card("Log lines", { class: "flush", sub: "With this trace's number" }, lines.length ? h("div", { class: "list" }, lines.map(lineRow)) : empty("No log lines", "Nothing was logged on the way.")),
        card("Events", { class: "flush" }, events.length ? h("div", { class: "list" }, events.map(eventRow)) : empty("No events", "Nothing was recorded on the way."))))));
}

function legend() {
  return h("ul", { class: "fall-legend" }, [["own", "working"], ["wait", "waiting for another node"], ["way", "on the way"]].map(([name, text]) => h("li", {}, h("i", { class: name }), text)));
}

function waterfall(spans, total) {
  const ticks = scale(total);
  const share = (us) => `${(Math.min(Math.max(us / total, 0), 1) * 100).toFixed(2)}%`;
  const axis = h("div", { class: "fall-axis", "aria-hidden": "true" }, ticks.map((at) => { const one = h("span", { text: seconds(at / 1e6) }); one.style.left = share(at); return one; }));
  const rows = spans.map((span) => {
    const bar = h("div", { class: "fall-bar", "aria-hidden": "true" });
    const part = (name, from, until) => {
      if (until <= from) return;
      const one = h("i", { class: name });
      one.style.left = share(from);
      one.style.width = `max(2px, ${share(until - from)})`;
      bar.append(one);
    };
    part("way", span.starts_us, span.ends_us);
    part(span.failed ? "own failed" : "own", span.arrives_us, span.leaves_us);
    for (const [from, until] of span.waits) part("wait", Math.max(from, span.arrives_us), Math.min(until, span.leaves_us));
    const name = h("div", { class: "fall-name" }, span.step ? h("span", { class: "step", text: String(span.step) }) : h("span", { class: "step none" }), h("b", { text: span.request }), h("span", { class: "muted small", text: ` to ${span.target}` }));
    name.style.paddingLeft = `${span.depth * 16}px`;
    const own = span.leaves_us - span.arrives_us - span.waits.reduce((all, [from, until]) => all + Math.max(0, Math.min(until, span.leaves_us) - Math.max(from, span.arrives_us)), 0);
    const row = h("div", { class: `fall-row ${span.failed ? "failed" : ""}`, role: "row", tabindex: "0" },
      h("div", { role: "cell" }, name), h("div", { role: "cell", class: "num" }, seconds((span.ends_us - span.starts_us) / 1e6)), h("div", { role: "cell", class: "num muted own-time" }, seconds(Math.max(own, 0) / 1e6)), h("div", { role: "cell", class: "fall-cell" }, bar));
    setAttr(row, "title", `${span.source} asked ${span.target}: ${seconds((span.ends_us - span.starts_us) / 1e6)} in all, ${seconds(Math.max(own, 0) / 1e6)} of its own${span.failed ? `; failed: ${span.failed}` : ""}`);
    return row;
  });
  return h("div", { class: "scroll" }, h("div", { class: "fall", role: "table", "aria-label": "waterfall" },
    h("div", { class: "fall-row fall-head", role: "row" }, h("div", { role: "columnheader", text: "Request" }), h("div", { role: "columnheader", class: "num", text: "Total" }), h("div", { role: "columnheader", class: "num own-time", text: "Own" }), h("div", { role: "columnheader", class: "fall-cell" }, axis)),
    rows));
}

function byNode(spans) {
  const found = new Map();
  for (const span of spans) {
    const inside = Math.max(0, span.leaves_us - span.arrives_us);
    const waited = Math.min(inside, span.waits.reduce((all, [from, until]) => all + Math.max(0, until - from), 0));
    const node = found.get(span.target) || { requests: 0, own: 0, waited: 0 };
    node.requests += 1;
    node.waited += waited;
    node.own += inside - waited;
    found.set(span.target, node);
  }
  const rows = [...found].sort((a, b) => b[1].own - a[1].own);
  return h("div", { class: "table-wrap" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col", text: "Node" }), h("th", { scope: "col", class: "num", text: "Requests" }), h("th", { scope: "col", class: "num", text: "Own time" }), h("th", { scope: "col", class: "num", text: "Waiting" }))),
    h("tbody", {}, rows.map(([name, node]) => h("tr", {}, h("td", {}, name.includes(".") ? h("a", { class: "name", href: to("nodes", name), text: name }) : name), h("td", { class: "num", text: String(node.requests) }), h("td", { class: "num", text: seconds(node.own / 1e6) }), h("td", { class: "num muted", text: seconds(node.waited / 1e6) }))))));
}

function scale(total) {
  const rough = total / 5, power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, at) => at * step).filter((at) => at < total * 0.94);
}
