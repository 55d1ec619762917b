// The explorer: any metric, as many charts as wanted over one stretch of time, with one cursor; all of it in the address.
import { get } from "../api.js";
import { Chart } from "../chart.js";
import { arrange, button, card, h, icon, segments, select, setText } from "../dom.js";
import { HOWS, pack, unpack } from "../explore.js";
import { full, moment, plural, span } from "../format.js";
import { live } from "../live.js";
import { query, remember, to } from "../router.js";
import { done, wrong } from "../toast.js";
import { ask, stepOf } from "../watched.js";

export const section = "charts";
export const title = "Charts";
const SPANS = [[900, "15 min"], [3600, "1 h"], [21600, "6 h"], [86400, "24 h"], [604800, "7 d"], [2592000, "30 d"]];
const FIRST = ["center_players~value~zone", "login_seconds~p99", "scene_tick_seconds~p99~node", "dc_commit_seconds~p99~~node:dc.1"];
const CHARTS_MAX = 12;

export async function show(page) {
  const said = query();
  const state = { span: Number(said.get("r")) || 3600, from: Number(said.get("from")) || 0, to: Number(said.get("to")) || 0, moments: [] };
  const charts = (said.getAll("c").length ? said.getAll("c") : FIRST).slice(0, CHARTS_MAX).map(unpack);
  const shown = [];
  let metrics = [];

  const about = h("p");
  const spans = segments("stretch of time", SPANS, state.from ? "" : state.span, (one) => { state.span = Number(one); state.from = state.to = 0; changed(); });
  const from = h("input", { type: "datetime-local", step: 1, "aria-label": "from" }), until = h("input", { type: "datetime-local", step: 1, "aria-label": "to" });
  const exact = h("form", { class: "filters exact", hidden: true, onsubmit: (event) => { event.preventDefault(); stretch(); } }, from, h("span", { class: "muted", text: "to" }), until, button("Show", { type: "submit" }));
  const back = button("Back to now", { hidden: true, onclick: () => { state.from = state.to = 0; changed(); } }, "play");
  const grid = h("div", { class: "explore" });
  const changes = h("ol", { class: "timeline" });
  const changesCard = card("Changes in this time", { hidden: true }, h("div", { class: "body" }, changes));
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Charts" }), about),
      h("div", { class: "tools" }, back, spans,
        button("Exact", { "aria-expanded": "false", onclick: (event) => { exact.hidden = !exact.hidden; event.currentTarget.setAttribute("aria-expanded", String(!exact.hidden)); fillExact(); } }),
        button("Copy link", { onclick: copy }, "link"), button("Add chart", { class: "primary", onclick: add }, "plus"))),
    exact, grid, changesCard);

  const range = () => {
    const now = live.now();
    return state.from ? [state.from, state.to || now] : [now - state.span, now];
  };
  function changed() {
    const exactly = state.from ? { from: Math.round(state.from), to: Math.round(state.to) } : { r: state.span };
    remember({ ...exactly, c: charts.map(pack) });
    spans.set(state.from ? "" : state.span);
    back.hidden = !state.from;
    setText(about, state.from ? `${full(state.from)} to ${full(state.to)}, ${span(state.to - state.from)}` : `The last ${span(state.span)}; drag over a chart to look closer`);
    refresh();
  }
  function draw() {
    while (shown.length > charts.length) shown.pop();
    arrange(grid, shown.map((one) => one.element));
  }
  function make(spec) {
    const one = explored(page, spec, () => metrics, changed, () => { const at = charts.indexOf(spec); charts.splice(at, 1); shown.splice(at, 1)[0].end(); draw(); changed(); },
      (start, end) => { state.from = start; state.to = end; changed(); });
    shown.push(one);
    return one;
  }
  function add() {
    if (charts.length >= CHARTS_MAX) { wrong(`One page has at most ${CHARTS_MAX} charts.`); return; }
    const spec = unpack(charts.length ? pack({ ...charts.at(-1) }) : FIRST[0]);
    charts.push(spec);
    const one = make(spec);
    one.edit();
    draw();
    changed();
    one.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
  async function refresh() {
    const [start, end] = range();
    const step = Math.max(1, stepOf(end - start));
    try {
      state.moments = await get("/api/moments", { start: Math.floor(start / 60) * 60, end: Math.ceil(end / 60) * 60 }, page.signal);
    } catch (problem) { if (problem.name === "AbortError") return; state.moments = []; }
    const marks = state.moments.filter((one) => one.kind !== "alert");
    for (const one of shown) one.fetch(Math.floor(start / step) * step, Math.ceil(end / step) * step, step, marks);
    changesCard.hidden = marks.length === 0;
    changes.replaceChildren(...[...marks].reverse().slice(0, 12).map((one) => h("li", { class: `kind-${one.kind} ${one.severity}` }, h("time", { text: moment(one.at_s, live.now()) }), h("i"),
      h("div", {}, h("p", { text: one.text }), one.node && h("a", { class: "sub", href: to("nodes", one.node), text: one.node })))));
  }
  function fillExact() {
    const [start, end] = range();
    from.value = local(start);
    until.value = local(end);
  }
  function stretch() {
    const start = new Date(from.value).getTime() / 1000, end = new Date(until.value).getTime() / 1000;
    if (!(end > start)) { wrong("The beginning has to be before the end."); return; }
    Object.assign(state, { from: start, to: end });
    changed();
  }
  async function copy() {
    const [start, end] = range();
    const fixed = new URL(location.href);
    if (!state.from) { fixed.searchParams.delete("r"); fixed.searchParams.set("from", Math.round(start)); fixed.searchParams.set("to", Math.round(end)); }
    try { await navigator.clipboard.writeText(fixed.href); done(`The link is copied: these ${plural(charts.length, "chart")} over exactly this time.`); } catch { wrong("The browser does not let the page copy: take the address from above."); }
  }

  for (const spec of charts) make(spec);
  draw();
  try { metrics = await get("/api/metrics", {}, page.signal); } catch (problem) { if (problem.name !== "AbortError") wrong(problem.message); return; }
  for (const one of shown) one.known();
  changed();
  const timer = setInterval(() => { if (!document.hidden && !state.from) refresh(); }, 5000);
  page.signal.addEventListener("abort", () => clearInterval(timer));
}

/** One chart with what it asks for. */
function explored(page, spec, metrics, changed, remove, onRange) {
  const ending = new AbortController();
  page.signal.addEventListener("abort", () => ending.abort());
  const editing = h("div", { class: "asking", hidden: true });
  const pencil = h("button", { type: "button", class: "icon-button", "aria-label": "change this chart", title: "Change", "aria-expanded": "false", onclick: () => edit() }, icon("actions"));
  const tools = h("div", { class: "row chart-tools" }, pencil, h("button", { type: "button", class: "icon-button", "aria-label": "remove this chart", title: "Remove", onclick: remove }, icon("close")));
  const chart = new Chart({ title: spec.name, height: 208, onRange, tools, signal: ending.signal });
  chart.element.append(editing);
  let labels = {}, last = null;

  const known = () => metrics().find((one) => one.name === spec.name);
  const howText = () => (HOWS[known()?.kind] || []).find(([how]) => how === spec.how)?.[1] ?? spec.how;
  function name() {
    const narrowed = Object.entries(spec.where).map(([label, value]) => `${label} ${value}`);
    chart.name(spec.name, [howText(), spec.by.length ? `by ${spec.by.join(", ")}` : "", ...narrowed].filter(Boolean).join(" · "));
  }
  async function fetch(start, end, step, moments) {
    last = [start, end, step, moments];
    name();
    try {
      const series = await get("/api/series", ask({ ...spec, band: spec.band !== false && spec.by.length < 2 }, start, end, step), ending.signal);
      chart.show(series, spec.how, moments);
    } catch (problem) { if (problem.name !== "AbortError") chart.fail(problem); }
  }
  async function load() {
    try { labels = await get("/api/labels", { name: spec.name }, ending.signal); } catch { labels = {}; }
    form();
  }
  function told() { form(); changed(); if (last) fetch(...last); }
  function edit() {
    editing.hidden = !editing.hidden;
    pencil.setAttribute("aria-expanded", String(!editing.hidden));
    if (!editing.hidden) load();
  }
  function form() {
    const kind = known()?.kind || "gauge";
    const free = Object.keys(labels).filter((label) => !(label in spec.where));
    const listId = `metrics-${Math.random().toString(36).slice(2)}`;
    const input = h("input", { type: "text", value: spec.name, list: listId, "aria-label": "metric", spellcheck: "false", onchange: () => {
      const chosen = metrics().find((one) => one.name === input.value.trim());
      if (!chosen) { wrong(`There is no metric ${input.value}.`); input.value = spec.name; return; }
      Object.assign(spec, { name: chosen.name, how: HOWS[chosen.kind][0][0], by: [], where: {} });
      load().then(told);
    } });
    editing.replaceChildren(
      h("div", { class: "asking-row" }, h("span", { class: "label", text: "Metric" }), h("div", { class: "grow" }, input, h("datalist", { id: listId }, metrics().map((one) => h("option", { value: one.name }))), h("p", { class: "small muted", text: known()?.text || "" }))),
      h("div", { class: "asking-row" }, h("span", { class: "label", text: "Show" }), select("how", HOWS[kind], spec.how, (how) => { spec.how = how; told(); }),
        h("label", { class: "check" }, h("input", { type: "checkbox", checked: spec.band !== false, onchange: (event) => { spec.band = event.target.checked; told(); } }), "usual band")),
      h("div", { class: "asking-row" }, h("span", { class: "label", text: "A line for each" }), h("div", { class: "chips" }, Object.keys(labels).map((label) => h("button", { type: "button", class: "chip", "aria-pressed": String(spec.by.includes(label)), text: label,
        onclick: () => { spec.by = spec.by.includes(label) ? spec.by.filter((one) => one !== label) : [...spec.by, label]; told(); } })))),
      h("div", { class: "asking-row" }, h("span", { class: "label", text: "Only" }), h("div", { class: "chips" },
        Object.entries(spec.where).map(([label, value]) => h("button", { type: "button", class: "chip", "aria-pressed": "true", "aria-label": `remove ${label} ${value}`, onclick: () => { delete spec.where[label]; told(); } }, `${label} ${value}`, icon("close"))),
        free.length > 0 && filterSelect(free, labels, (label, value) => { spec.where[label] = value; told(); }))));
  }
  name();
  return { element: chart.element, fetch, edit, known: name, end: () => ending.abort() };
}

/** One list of all label values that a chart can be narrowed to. */
function filterSelect(free, labels, choose) {
  const box = h("select", { "aria-label": "add a filter", onchange: () => { const [label, value] = JSON.parse(box.value); choose(label, value); } },
    h("option", { value: "", text: "Add a filter", selected: true, disabled: true }),
    free.map((label) => h("optgroup", { label }, labels[label].map((value) => h("option", { value: JSON.stringify([label, value]), text: value })))));
  return box;
}

function local(at) {
  const then = new Date(at * 1000);
  return new Date(then.getTime() - then.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}
