// The mesh: nodes where their role says, links between them, messages on their way. Nodes are links that can be reached by
// the keyboard; what moves is on one canvas below them, which stands still when nobody looks or wants it to move.
import { arrange, h, setAttr, setClass, setText, svg } from "./dom.js";
import { byNumber, count, levelClass, pressureClass, ratio, short, value } from "./format.js";
import { live } from "./live.js";
import { to } from "./router.js";
import { colour, onTheme, stillness } from "./theme.js";

const COLUMNS = [["gate"], ["login", "center", "ops"], ["scene"], ["dc", "log"]];
const NAMES = ["Gates", "Login and center", "Scenes", "Data and log"];
const ROW = 44, BOX = 34, HEAD = 32, GAP = 24;
const NARROW = 620;
const FRAME_MS = 40;
const WEIGHTS = 5; // sizes of dots; those of one size are drawn as one
const RING = 2 * Math.PI * 7;

export class Mesh {
  #nodes = new Map();
  #labels = new Map();
  #links = [];
  #shape = "";
  #focus = "";
  #overview = null;
  #frame = 0;
  #drawnAt = 0;
  #colours = {};
  #seen = true;

  constructor(signal) {
    this.canvas = h("canvas", { "aria-hidden": "true" }); // links: drawn when something has changed
    this.moving = h("canvas", { "aria-hidden": "true" }); // dots: drawn all the time
    this.layer = h("div", { class: "mesh-nodes" });
    this.note = h("div", { class: "mesh-note", hidden: true });
    this.element = h("div", { class: "mesh", role: "group", "aria-label": "nodes of the mesh" }, this.canvas, this.moving, this.layer, this.note);
    this.legend = h("ul", { class: "mesh-legend", "aria-label": "colours" }, [["v0", "full quality"], ["v1", "busy"], ["v2", "crowded"], ["v3", "strained"], ["v4", "scarce or worse"]]
      .map(([name, text]) => h("li", { class: name }, h("i"), text)));
    const watcher = new ResizeObserver(() => { this.#shape = ""; if (this.#overview) this.update(this.#overview); });
    watcher.observe(this.element);
    const eye = new IntersectionObserver(([entry]) => { this.#seen = entry.isIntersecting; this.#go(); });
    eye.observe(this.element);
    onTheme(() => this.#paint(), signal);
    document.addEventListener("visibilitychange", () => this.#go(), { signal });
    live.addEventListener("state", () => this.#go(), { signal }); // what is not heard of does not move
    stillness.addEventListener("change", () => this.#go(), { signal });
    signal.addEventListener("abort", () => { watcher.disconnect(); eye.disconnect(); cancelAnimationFrame(this.#frame); this.#frame = 0; });
    this.#paint();
  }

  update(overview) {
    this.#overview = overview;
    const width = this.element.clientWidth;
    if (!width) return;
    const shape = `${width}|${overview.nodes.map((node) => node.name).join()}|${overview.links.length}`;
    if (shape !== this.#shape) this.#place(overview, width, shape);
    for (const node of overview.nodes) this.#fill(node);
    for (const zone of overview.zones) {
      const label = this.#labels.get(zone.name);
      if (label) setText(label.lastChild, `${count(zone.players)}${zone.capacity ? ` of ${count(zone.capacity)}` : ""} players${zone.queue ? `, ${count(zone.queue)} wait` : ""}`);
    }
    this.#rates(overview.links);
    this.#tell();
    this.#draw();
    this.#go();
  }

  // --- where everything is ---

  #place(overview, width, shape) {
    this.#shape = shape;
    const { boxes, labels, height } = width < NARROW ? inRows(overview, width) : inColumns(overview, width);
    this.element.style.height = `${height}px`;
    const scale = devicePixelRatio || 1;
    for (const one of [this.canvas, this.moving]) Object.assign(one, { width: Math.round(width * scale), height: Math.round(height * scale) });
    for (const name of this.#nodes.keys()) if (!boxes.has(name)) this.#nodes.delete(name);
    for (const [name, box] of boxes) {
      const known = this.#nodes.get(name) || this.#make(name);
      known.box = box;
      Object.assign(known.element.style, { left: `${box.x}px`, top: `${box.y}px`, width: `${box.w}px` });
      known.element.classList.toggle("tiny", box.w < 96);
      this.#nodes.set(name, known);
    }
    this.#labels = new Map(labels.map(({ zone, x, y, kind, text }) => {
      const element = h("div", { class: `mesh-label ${kind}` }, h("b", { text }), h("span"));
      Object.assign(element.style, { left: `${x}px`, top: `${y}px` });
      return [zone ?? `${text}${x}`, element];
    }));
    arrange(this.layer, [...this.#labels.values(), ...[...this.#nodes.values()].map((node) => node.element)]);
    this.#links = overview.links.filter((link) => boxes.has(link.source) && boxes.has(link.target)).map((link) => ({
      ...link, ...curve(boxes.get(link.source), boxes.get(link.target), width < NARROW), turn: Math.random(),
    }));
  }

  #make(name) {
    const arc = svg("circle", { class: "arc", cx: 9, cy: 9, r: 7, "stroke-dasharray": `0 ${RING}`, transform: "rotate(-90 9 9)" });
    const ring = svg("svg", { viewBox: "0 0 18 18", "aria-hidden": "true" }, svg("circle", { class: "track", cx: 9, cy: 9, r: 7 }), arc);
    const title = h("b", { text: name }), number = h("span");
    const focus = (on) => { this.#focus = on ? name : this.#focus === name ? "" : this.#focus; this.#tell(); this.#draw(); };
    const element = h("a", { class: "mesh-node", href: to("nodes", name), onpointerenter: () => focus(true), onpointerleave: () => focus(false), onfocus: () => focus(true), onblur: () => focus(false) }, ring, title, number);
    return { element, arc, number, box: null };
  }

  #fill(node) {
    const known = this.#nodes.get(node.name);
    if (!known) return;
    const level = pressureClass(node.pressure, node.level);
    setClass(known.element, `mesh-node ${level} ${node.state.toLowerCase()}${known.box.w < 96 ? " tiny" : ""}${node.alerts ? " alert" : ""}`);
    setAttr(known.arc, "stroke-dasharray", `${(Math.min(node.pressure, 1) * RING).toFixed(1)} ${RING.toFixed(1)}`);
    setText(known.number, node.state !== "Ready" ? node.state : node.players ? short(node.players) : "");
    setAttr(known.element, "aria-label", `${node.name}: ${node.state}, pressure ${ratio(node.pressure)}${node.level ? `, level ${node.level}` : ""}${node.players ? `, ${node.players} players` : ""}`);
  }

  #rates(links) {
    const now = new Map(links.map((link) => [`${link.source} ${link.target}`, link]));
    for (const link of this.#links) {
      const said = now.get(`${link.source} ${link.target}`);
      if (said) Object.assign(link, { messages_per_s: said.messages_per_s, bytes_per_s: said.bytes_per_s, up: said.up });
    }
  }

  /** About the node under the pointer. */
  #tell() {
    const node = this.#focus && this.#overview.nodes.find((one) => one.name === this.#focus);
    this.note.hidden = !node;
    if (!node) return;
    const own = this.#links.filter((link) => link.source === node.name || link.target === node.name);
    const sum = (name) => own.reduce((all, link) => all + link[name], 0);
    setText(this.note, `${node.name}  ·  ${node.state}, level ${node.level} ${this.#overview.levels[node.level] ?? ""}  ·  pressure ${ratio(node.pressure)}  ·  CPU ${ratio(node.cpu_ratio)}  ·  ${value(sum("messages_per_s"), "per_s")} messages, ${value(sum("bytes_per_s"), "bytes_per_s")} on ${own.length} links`);
    setClass(this.note, `mesh-note ${levelClass(node.level)}`);
  }

  // --- drawing ---

  #paint() {
    this.#colours = { line: colour("--line-strong"), flow: colour("--flow"), bad: colour("--critical-fill"), faint: colour("--line") };
    if (this.#overview) this.#draw();
  }

  #go() {
    const moves = live.state === "live" && this.#seen && !document.hidden && !stillness.matches && this.#overview;
    if (moves && !this.#frame) this.#frame = requestAnimationFrame(this.#turn);
    if (!moves && this.#frame) { cancelAnimationFrame(this.#frame); this.#frame = 0; this.#clear(this.moving); }
  }

  #turn = (now) => {
    this.#frame = requestAnimationFrame(this.#turn);
    if (now - this.#drawnAt < FRAME_MS) return;
    const passed = Math.min(now - this.#drawnAt, 200);
    this.#drawnAt = now;
    this.#dots(passed);
  };

  #clear(canvas) {
    const pen = canvas.getContext("2d"), scale = devicePixelRatio || 1;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    return pen;
  }

  #draw() {
    const pen = this.#clear(this.canvas);
    const focus = this.#focus;
    for (const link of this.#links) {
      const mine = focus && (link.source === focus || link.target === focus);
      const weight = Math.min(1, Math.log10(1 + link.messages_per_s) / 3.6);
      pen.globalAlpha = focus ? (mine ? 0.95 : 0.1) : 0.22 + 0.4 * weight;
      pen.strokeStyle = !link.up ? this.#colours.bad : mine ? this.#colours.flow : this.#colours.line;
      pen.lineWidth = 0.6 + 1.3 * weight;
      pen.beginPath();
      pen.moveTo(link.x0, link.y0);
      pen.bezierCurveTo(link.x1, link.y1, link.x2, link.y2, link.x3, link.y3);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  #dots(passed) {
    const pen = this.#clear(this.moving), focus = this.#focus;
    const paths = Array.from({ length: WEIGHTS }, () => new Path2D());
    for (const link of this.#links) {
      if (!link.up || link.messages_per_s < 0.05 || (focus && link.source !== focus && link.target !== focus)) continue;
      const weight = Math.min(Math.log10(1 + link.messages_per_s), WEIGHTS - 1), path = paths[Math.round(weight)];
      const dots = weight > 3 ? 2 : 1, size = 0.9 + 0.25 * weight;
      link.turn = (link.turn + passed / (5200 - 900 * weight)) % 1; // added up, as the pace changes with the rate
      for (let dot = 0; dot < dots; dot++) {
        const at = (link.turn + dot / dots) % 1, left = 1 - at;
        const a = left * left * left, b = 3 * left * left * at, c = 3 * left * at * at, d = at * at * at;
        const x = a * link.x0 + b * link.x1 + c * link.x2 + d * link.x3, y = a * link.y0 + b * link.y1 + c * link.y2 + d * link.y3;
        path.moveTo(x + size, y);
        path.arc(x, y, size, 0, 6.2832);
      }
    }
    pen.fillStyle = this.#colours.flow;
    paths.forEach((path, weight) => { pen.globalAlpha = focus ? 1 : 0.25 + 0.16 * weight; pen.fill(path); });
    pen.globalAlpha = 1;
  }
}

function columnOf(role) {
  const at = COLUMNS.findIndex((roles) => roles.includes(role));
  return at < 0 ? 1 : at;
}

/** The nodes of a zone by column, each by role and number. */
function grouped(nodes, zone) {
  const found = COLUMNS.map(() => []);
  for (const node of nodes) if (node.zone === zone) found[columnOf(node.role)].push(node);
  for (const [at, group] of found.entries()) {
    const order = COLUMNS[at];
    group.sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role) || byNumber(a.name, b.name));
  }
  return found;
}

/** Zones one below the other, roles from left to right. */
function inColumns({ nodes, zones }, width) {
  const tall = nodes.length > 44 ? 8 : 4;
  const groups = new Map(zones.map((zone) => [zone.name, grouped(nodes, zone.name)]));
  const parted = COLUMNS.map((_, at) => Math.max(1, ...[...groups.values()].map((group) => Math.ceil(group[at].length / tall))));
  const columns = parted.reduce((all, one) => all + one, 0);
  const between = Math.max(28, Math.min(84, (width - 40 - columns * 112) / Math.max(columns - 1, 1)));
  const inner = 14;
  const fixed = parted.reduce((all, one) => all + (one - 1) * inner, 0) + (COLUMNS.length - 1) * between;
  const box = Math.min(136, Math.floor((width - 40 - fixed) / columns));
  const left = (width - fixed - columns * box) / 2;
  const boxes = new Map(), labels = [];
  let top = 28;
  const starts = [];
  parted.reduce((x, parts_, at) => { starts[at] = x; return x + parts_ * box + (parts_ - 1) * inner + between; }, left);
  starts.forEach((x, at) => labels.push({ x, y: 0, kind: "column", text: NAMES[at] }));
  for (const zone of zones) {
    const group = groups.get(zone.name);
    const rows = Math.max(1, ...group.map((column, at) => Math.ceil(column.length / parted[at])));
    labels.push({ zone: zone.name, x: left, y: top, kind: "zone", text: `Zone ${zone.name}` });
    const first = top + HEAD;
    group.forEach((column, at) => {
      const per = Math.ceil(column.length / parted[at]) || 1;
      column.forEach((node, number) => {
        const shift = ((rows - Math.min(per, column.length)) * ROW) / 2;
        boxes.set(node.name, { x: starts[at] + Math.floor(number / per) * (box + inner), y: first + (number % per) * ROW + shift, w: box, h: BOX });
      });
    });
    top = first + rows * ROW + GAP;
  }
  return { boxes, labels, height: Math.max(top + 16, 160) };
}

/** For narrow screens: roles from top to bottom, four nodes in a row. */
function inRows({ nodes, zones }, width) {
  const across = width < 340 ? 3 : width > 480 ? 5 : 4, gap = 8, box = (width - 24 - (across - 1) * gap) / across;
  const boxes = new Map(), labels = [];
  let top = 4;
  for (const zone of zones) {
    labels.push({ zone: zone.name, x: 12, y: top, kind: "zone", text: `Zone ${zone.name}` });
    top += HEAD;
    for (const column of grouped(nodes, zone.name)) {
      column.forEach((node, number) => {
        const inRow = Math.min(across, column.length - Math.floor(number / across) * across);
        const shift = ((across - inRow) * (box + gap)) / 2;
        boxes.set(node.name, { x: 12 + shift + (number % across) * (box + gap), y: top + Math.floor(number / across) * ROW, w: box, h: BOX });
      });
      if (column.length) top += Math.ceil(column.length / across) * ROW + 14;
    }
    top += 8;
  }
  return { boxes, labels, height: top + 24 };
}

/** From one node's side to the other's, bent so that lines part from each other. */
function curve(from, to_, isVertical) {
  const middle = (box) => [box.x + box.w / 2, box.y + box.h / 2];
  const [ax, ay] = middle(from), [bx, by] = middle(to_);
  if (isVertical) {
    const down = by > ay, y0 = down ? from.y + from.h : from.y, y3 = down ? to_.y : to_.y + to_.h, bend = (y3 - y0) / 2;
    if (Math.abs(ay - by) < 4) return { x0: ax, y0: from.y + from.h, x1: ax, y1: from.y + from.h + 12, x2: bx, y2: from.y + from.h + 12, x3: bx, y3: to_.y + to_.h };
    return { x0: ax, y0, x1: ax, y1: y0 + bend, x2: bx, y2: y3 - bend, x3: bx, y3 };
  }
  if (Math.abs(ax - bx) < from.w) {
    const x = Math.max(from.x + from.w, to_.x + to_.w), out = x + 16;
    return { x0: from.x + from.w, y0: ay, x1: out, y1: ay, x2: out, y2: by, x3: to_.x + to_.w, y3: by };
  }
  const right = bx > ax, x0 = right ? from.x + from.w : from.x, x3 = right ? to_.x : to_.x + to_.w, bend = Math.max(24, Math.abs(x3 - x0) / 2) * (right ? 1 : -1);
  return { x0, y0: ay, x1: x0 + bend, y1: ay, x2: x3 - bend, y2: by, x3, y3: by };
}
