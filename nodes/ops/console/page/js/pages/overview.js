// The first page: key figures, the mesh as it lives, what is wrong, what was changed.
import { get } from "../api.js";
import { spark } from "../chart.js";
import { arrange, card, empty, h, setClass, setText } from "../dom.js";
import { ask, watched } from "../watched.js";
import { ago, byNumber, moment, parts, pressureClass, ratio } from "../format.js";
import { chartAddress } from "../explore.js";
import { live } from "../live.js";
import { Mesh } from "../mesh.js";
import { to } from "../router.js";
import { onTheme } from "../theme.js";

export const section = "overview";
export const title = "Overview";
const LIVE = [{ title: "Players by zone", name: "center_players", how: "value", by: ["zone"] }, { title: "Messages by role", name: "mesh_said_total", how: "rate", by: ["role"] }];
const SPAN_S = 900, STEP_S = 15, CHANGES_S = 36 * 3600;

export function show(page) {
  const tiles = new Map();
  const tileBox = h("div", { class: "tiles" });
  const mesh = new Mesh(page.signal);
  const incidents = h("div", { class: "list" });
  const pressed = h("div", { class: "list pressed" });
  const changes = h("ol", { class: "timeline" });
  const about = h("p");
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "Overview" }), about)),
    tileBox,
    h("div", { class: "cols" },
      h("div", { class: "stack" }, card("Mesh", { class: "mesh-card", sub: "Every node, with its pressure; dots are messages on their way", tools: mesh.legend }, mesh.element),
        h("div", { class: "grid-charts" }, LIVE.map((spec) => watched(page, spec, { span: 3600 })))),
      h("div", { class: "stack" },
        card("Open incidents", { class: "first", tools: h("a", { class: "link small", href: "/incidents", text: "All" }) }, incidents),
        card("Highest pressure", { tools: h("a", { class: "link small", href: "/nodes", text: "All nodes" }) }, pressed),
        card("Changes", { sub: "Deployments, restarts, actions" }, h("div", { class: "body" }, changes)))));

  page.onPulse(({ overview, incidents: open }) => {
    const ready = overview.nodes.filter((node) => node.state === "Ready").length;
    setText(about, `${overview.cluster}: ${ready} of ${overview.nodes.length} nodes are Ready, ${overview.zones.length} zones, version ${overview.version}`);
    const isFirst = tiles.size === 0;
    arrange(tileBox, overview.figures.map((figure) => tile(tiles, figure)));
    if (isFirst) history(page, tiles);
    for (const one of tiles.values()) one.draw();
    mesh.update(overview);
    drawIncidents(incidents, open);
    drawPressed(pressed, overview.nodes);
  });
  page.poll(60, async () => {
    const now = live.now();
    try {
      const found = await get("/api/moments", { start: Math.floor((now - CHANGES_S) / 60) * 60, end: Math.ceil(now / 60) * 60 }, page.signal);
      drawChanges(changes, found.filter((one) => one.kind !== "state" && one.kind !== "alert").reverse().slice(0, 6), now);
    } catch { /* the rest of the page is live */ }
  });
  page.poll(STEP_S, () => history(page, tiles));
  onTheme(() => { for (const one of tiles.values()) one.draw(); }, page.signal);
  page.on(window, "resize", () => { for (const one of tiles.values()) one.draw(); });
}

function tile(tiles, figure) {
  let known = tiles.get(figure.key);
  if (!known) {
    const number = h("span"), unit = h("small"), canvas = h("canvas", { "aria-hidden": "true" });
    const element = h("a", { class: "tile", href: chartAddress(figure.chart) }, h("span", { class: "name", text: figure.title }), h("span", { class: "value" }, number, unit), canvas);
    known = { element, number, unit, canvas, past: [], chart: figure.chart, severity: "",
      draw() { spark(canvas, [...this.past, this.now], this.severity ? `--${this.severity}-fill` : "--accent"); } };
    tiles.set(figure.key, known);
  }
  const [number, unit] = parts(figure.value, figure.unit);
  setText(known.number, number);
  setText(known.unit, unit);
  known.now = figure.value;
  known.severity = figure.severity;
  setClass(known.element, `tile ${figure.severity}`.trim());
  return known.element;
}

/** The last quarter of an hour of each figure, as it is summed up here: one line of all nodes. */
async function history(page, tiles) {
  const end = Math.floor(live.now() / STEP_S) * STEP_S;
  await Promise.all([...tiles.values()].map(async (one) => {
    try {
      const series = await get("/api/series", ask({ ...one.chart, band: false }, end - SPAN_S, end, STEP_S), page.signal);
      one.past = series.lines[0]?.values ?? [];
      one.draw();
    } catch { /* a figure without a past */ }
  }));
}

function drawIncidents(box, open) {
  if (!open.length) {
    if (!box.querySelector(".empty")) box.replaceChildren(empty("All is well", "No incident is open.", "check"));
    return;
  }
  keep(box, open, (one) => one.id, (one) => h("a", { href: to("incidents", one.id) }, h("span", { class: "mark" }), h("span", { class: "grow" }, h("span", { class: "title" }), h("br"), h("span", { class: "sub" }))), (element, one) => {
    setClass(element.children[0], `mark ${one.severity}`);
    const words = element.children[1].children;
    setText(words[0], one.title);
    const state = one.state === "acknowledged" ? `${one.acknowledged_by} is at it` : one.severity;
    setText(words[2], `${state} · since ${moment(one.begun_s, live.now())}`);
  });
}

function drawPressed(box, nodes) {
  const top = [...nodes].sort((a, b) => b.pressure - a.pressure || byNumber(a.name, b.name)).slice(0, 5);
  keep(box, top, (one) => one.name, () => h("a", {}, h("span", { class: "pressed-name" }), h("span", { class: "meter" }, h("i")), h("span", { class: "num" })), (element, one) => {
    element.href = to("nodes", one.name);
    const [name, meter, number] = element.children;
    setText(name, one.name);
    setClass(meter, `meter grow ${pressureClass(one.pressure, one.level)}`);
    meter.firstChild.style.width = `${Math.min(100, Math.round(one.pressure * 100))}%`;
    setText(number, ratio(one.pressure));
  });
}

function drawChanges(box, moments, now) {
  if (!moments.length) { box.replaceChildren(h("li", { class: "plain" }, h("p", { class: "muted", text: "Nothing was changed in the last days." }))); return; }
  box.replaceChildren(...moments.map((one) => h("li", { class: `kind-${one.kind}` }, h("time", { text: ago(one.at_s, now), title: moment(one.at_s, now) }), h("i"), h("div", {}, h("p", { text: one.text }), one.node && h("a", { class: "sub", href: to("nodes", one.node), text: one.node })))));
}

/** Elements by key, made once and changed in place. */
function keep(box, rows, key, make, fill) {
  const known = new Map([...box.children].filter((one) => one.dataset.key).map((one) => [one.dataset.key, one]));
  arrange(box, rows.map((row) => {
    let element = known.get(key(row));
    if (!element) { element = make(row); element.dataset.key = key(row); }
    fill(element, row);
    return element;
  }));
}

