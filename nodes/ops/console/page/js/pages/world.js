// The world: lines of maps, where their players are, and who is in a place.
import { get } from "../api.js";
import { card, empty, failure, h, select, setClass, setText } from "../dom.js";
import { byNumber, count, plural } from "../format.js";
import { query, remember, to } from "../router.js";
import { colour, onTheme } from "../theme.js";

export const section = "world";
export const title = "World";
const LEGEND = [0, 1, 2, 3, 4];
const HINT = "Press a place to see who is there";
const AREA = 3; // cells on each side of the one that was chosen

export function show(page) {
  const said = query();
  const chosen = { zone: said.get("zone") || "", map: said.get("map") || "", line: Number(said.get("line")) || 0, x: said.has("x") ? Number(said.get("x")) : null, y: said.has("y") ? Number(said.get("y")) : null };
  let lines = [], heat = null;
  const about = h("p"), list = h("div", { class: "lines" }), zones = h("div", { class: "tools" });
  const heading = h("h2"), sub = h("p"), under = h("span", { class: "muted small", text: HINT });
  const canvas = h("canvas", { class: "heat", tabindex: "0", role: "img" });
  const people = h("div", { class: "list people" }), peopleTitle = h("h2", { text: "Players in a place" }), peopleSub = h("p");
  const scale = h("div", { class: "heat-scale", "aria-hidden": "true" }, h("span", { text: "nobody" }), LEGEND.map((at) => h("i", { class: `h${at}` })), h("span", { text: "many" }));
  page.root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", { text: "World" }), about), zones),
    h("div", { class: "world" },
      card("Lines", { class: "flush lines-card", sub: "Copies of the maps" }, list),
      h("section", { class: "card" }, h("header", {}, h("div", {}, heading, sub), h("div", { class: "tools" }, scale)), h("div", { class: "body" }, canvas, h("div", { class: "row spread" }, under))),
      h("section", { class: "card flush people-card" }, h("header", {}, h("div", {}, peopleTitle, peopleSub)), people)));
  people.append(empty("Choose a place", "Press on the map to see who is there. The arrow keys move the place.", "players"));

  const row = () => lines.find((one) => one.zone === chosen.zone && one.map === chosen.map && one.line === chosen.line);
  const keep = () => remember({ zone: chosen.zone, map: chosen.map, line: chosen.line, x: chosen.x ?? "", y: chosen.y ?? "" });
  function choose(one) {
    Object.assign(chosen, { zone: one.zone, map: one.map, line: one.line, x: null, y: null });
    heat = null;
    keep();
    drawLines();
    drawPeople([]);
    fetchHeat();
  }
  function drawLines() {
    const shown = lines.filter((one) => !chosen.shownZone || one.zone === chosen.shownZone);
    const groups = new Map();
    for (const one of shown) {
      const key = `${one.map} · zone ${one.zone}`;
      groups.set(key, [...(groups.get(key) || []), one]);
    }
    list.replaceChildren(...[...groups].flatMap(([name, entries]) => [h("h3", { text: name }), ...entries.map((one) => {
      const current = one === row();
      const share = Math.min(1, one.players / one.max);
      const bar = h("i");
      bar.style.width = `${share * 100}%`;
      return h("button", { type: "button", class: "line-row", "aria-current": current ? "true" : null, onclick: () => choose(one), title: `${one.map}:${one.line} on ${one.scene}, ${one.state}` },
        h("span", { text: `${one.map}:${one.line}` }), h("span", { class: `meter ${one.players >= one.max ? "v4" : one.players >= one.soft ? "v2" : ""}` }, bar), h("span", { class: "num", text: count(one.players) }));
    })]));
  }
  async function fetchLines() {
    try {
      lines = (await get("/api/lines", {}, page.signal)).sort((a, b) => byNumber(a.zone, b.zone) || byNumber(a.map, b.map) || a.line - b.line);
    } catch (problem) { if (problem.name !== "AbortError") list.replaceChildren(failure(problem, fetchLines)); return; }
    if (!zones.firstChild) {
      const names = [...new Set(lines.map((one) => one.zone))];
      if (names.length > 1) zones.append(select("zone", [["", "All zones"], ...names.map((one) => [one, `Zone ${one}`])], "", (one) => { chosen.shownZone = one; drawLines(); }));
    }
    setText(about, `${count(lines.reduce((all, one) => all + one.players, 0))} players on ${plural(lines.length, "line")} of ${plural(new Set(lines.map((one) => one.map)).size, "map")}`);
    if (!row() && lines.length) { choose([...lines].sort((a, b) => b.players - a.players)[0]); return; }
    drawLines();
  }
  async function fetchHeat() {
    if (!row()) return;
    const { zone, map, line } = chosen;
    try {
      const found = await get("/api/heat", { zone, map, line }, page.signal);
      if (found.zone !== chosen.zone || found.map !== chosen.map || found.line !== chosen.line) return;
      const isFirst = heat === null;
      heat = found;
      draw();
      if (isFirst) fetchPeople();
    } catch (problem) { if (problem.name !== "AbortError") setText(sub, problem.message); }
  }
  function draw() {
    const one = row();
    if (!one || !heat) return;
    setText(heading, `${one.map}:${one.line} in zone ${one.zone}`);
    setText(sub, `${count(heat.counts.reduce((all, n) => all + n, 0))} players; ${one.soft} is comfortable, ${one.max} is full; on ${one.scene}; ${Math.round(one.size_m)} m across`);
    canvas.setAttribute("aria-label", `where the players of ${one.map}:${one.line} are; most of them in one place: ${Math.max(...heat.counts)}`);
    paint(canvas, heat, chosen);
  }
  async function fetchPeople() {
    if (chosen.x === null || !heat) return;
    const cell = heat.size_m / heat.side, half = (AREA - 0.5) * cell;
    const [x, y] = [(chosen.x + 0.5) * cell, (chosen.y + 0.5) * cell];
    const { zone, map, line } = chosen;
    try {
      const found = await get("/api/players-in", { zone, map, line, west: round(x - half), east: round(x + half), south: round(y - half), north: round(y + half), limit: 200 }, page.signal);
      drawPeople(found, x, y);
    } catch (problem) { if (problem.name !== "AbortError") people.replaceChildren(failure(problem)); }
  }
  function drawPeople(found, x, y) {
    setText(peopleTitle, x === undefined ? "Players in a place" : `${plural(found.length, "player")} about ${Math.round(x)}, ${Math.round(y)} m`);
    setText(peopleSub, x === undefined ? "" : `within ${round((AREA - 0.5) * heat.size_m / heat.side)} m`);
    if (x === undefined) { people.replaceChildren(empty("Choose a place", "Press on the map to see who is there. The arrow keys move the place.", "players")); return; }
    if (!found.length) { people.replaceChildren(empty("Nobody is here", "Choose a place with more players.")); return; }
    people.replaceChildren(...found.map((one) => h("a", { href: to("players", one.name) }, h("span", { class: `state ${one.stage === "online" ? "ok" : "warning"}` }), h("span", { class: "grow" }, h("span", { class: "title", text: one.name })), h("span", { class: "sub", text: `level ${one.level}` }))));
  }
  function pick(x, y) {
    if (!heat) return;
    chosen.x = Math.min(Math.max(x, 0), heat.side - 1);
    chosen.y = Math.min(Math.max(y, 0), heat.side - 1);
    keep();
    draw();
    fetchPeople();
  }
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    return [Math.floor(((event.clientX - box.left) / box.width) * heat.side), heat.side - 1 - Math.floor(((event.clientY - box.top) / box.height) * heat.side)];
  };
  canvas.addEventListener("click", (event) => heat && pick(...cellAt(event)));
  canvas.addEventListener("pointermove", (event) => {
    if (!heat) return;
    const [x, y] = cellAt(event), cell = heat.size_m / heat.side;
    setText(under, `${plural(heat.counts[y * heat.side + x] || 0, "player")} at ${Math.round((x + 0.5) * cell)}, ${Math.round((y + 0.5) * cell)} m`);
  });
  canvas.addEventListener("pointerleave", () => setText(under, HINT));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step || !heat) return;
    event.preventDefault();
    const middle = Math.floor(heat.side / 2);
    pick((chosen.x ?? middle) + step[0], (chosen.y ?? middle) + step[1]);
  });
  const watcher = new ResizeObserver(() => draw());
  watcher.observe(canvas);
  page.signal.addEventListener("abort", () => watcher.disconnect());
  onTheme(() => draw(), page.signal);
  page.poll(5, fetchLines);
  page.poll(1, fetchHeat);
  page.poll(3, fetchPeople);
  setClass(canvas, "heat");
}

const round = (metres) => Math.round(metres * 10) / 10;

function paint(canvas, heat, chosen) {
  const scale = devicePixelRatio || 1, size = Math.round(canvas.clientWidth * scale);
  if (!size) return;
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d"), cell = size / heat.side;
  const stops = LEGEND.map((at) => colour(`--heat-${at}`).split(" ").map(Number));
  const most = Math.max(4, ...heat.counts);
  pen.fillStyle = `rgb(${stops[0].join(" ")})`;
  pen.fillRect(0, 0, size, size);
  heat.counts.forEach((players, at) => {
    if (!players) return;
    const x = at % heat.side, y = heat.side - 1 - Math.floor(at / heat.side);
    pen.fillStyle = shade(stops, 0.16 + 0.84 * Math.sqrt(players / most));
    const left = Math.round(x * cell), top = Math.round(y * cell);
    pen.fillRect(left, top, Math.round((x + 1) * cell) - left, Math.round((y + 1) * cell) - top);
  });
  pen.strokeStyle = colour("--line");
  pen.globalAlpha = 0.7;
  pen.lineWidth = 1;
  for (let quarter = 1; quarter < 4; quarter++) {
    const at = Math.round((quarter / 4) * size) + 0.5;
    pen.beginPath();
    pen.moveTo(at, 0); pen.lineTo(at, size); pen.moveTo(0, at); pen.lineTo(size, at);
    pen.stroke();
  }
  pen.globalAlpha = 1;
  if (chosen.x === null) return;
  pen.strokeStyle = colour("--critical-fill");
  pen.lineWidth = 2 * scale;
  const reach = (AREA * 2 - 1) * cell;
  pen.strokeRect((chosen.x - AREA + 1) * cell, (heat.side - chosen.y - AREA) * cell, reach, reach);
}

function shade(stops, share) {
  const at = Math.min(share, 0.9999) * (stops.length - 1), low = Math.floor(at), part = at - low;
  return `rgb(${stops[low].map((one, channel) => Math.round(one + (stops[low + 1][channel] - one) * part)).join(" ")})`;
}
