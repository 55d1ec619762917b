// One chart: uPlot with a shared cursor, the baseline's band, marks of what happened, and a legend that can be read.
import { h, setText } from "./dom.js";
import { count, date, minute, moment, tickValue, time, value, NONE } from "./format.js";
import { colour, onTheme } from "./theme.js";

const COLOURS = 8;
const SYNC = "mesh";
const FONT = "11px system-ui, sans-serif"; // whole pixels: uPlot scales the last number before "px"
const HEIGHT = 176;

/** The unit of what is drawn: a rate of seconds is a share of time, a rate of bytes is bytes per second. */
export function drawnUnit(unit, how) {
  if (how !== "rate") return unit;
  return { s: "ratio", bytes: "bytes_per_s", "": "per_s" }[unit] ?? unit;
}

/** What a line is called: the values of its labels. */
export const lineName = (labels) => Object.values(labels).join(" · ") || "all together";

export class Chart {
  #plot = null;
  #shape = "";
  #series = null;
  #moments = [];
  #off = new Set();
  #unit = "";
  #readings = [];

  constructor({ title, sub = "", height = HEIGHT, onRange = null, tools = null, signal }) {
    this.title = title;
    this.height = height;
    this.onRange = onRange;
    this.reading = h("div", { class: "reading", "aria-hidden": "true" });
    this.heading = h("h2", { text: title, title });
    this.sub = h("p", { text: sub });
    this.place = h("div", { class: "plot", role: "img", "aria-label": title });
    this.note = h("div", { class: "none", text: "" });
    this.place.append(this.note);
    this.legend = h("div", { class: "legend" });
    this.element = h("section", { class: "card chart" }, h("header", {}, h("div", {}, this.heading, this.sub), this.reading, tools), this.place, this.legend);
    this.place.style.height = `${height}px`;
    const watcher = new ResizeObserver(() => this.#fit());
    watcher.observe(this.place);
    signal?.addEventListener("abort", () => { watcher.disconnect(); this.#plot?.destroy(); this.#plot = null; });
    onTheme(() => { this.#shape = ""; if (this.#series) this.#draw(); }, signal);
  }

  name(title, sub) {
    this.title = title;
    setText(this.heading, title);
    setText(this.sub, sub);
  }

  fail(problem) {
    setText(this.note, problem.message);
    this.note.hidden = false;
  }

  /** `series`: as the API answers; `how`: as it was asked for; `moments`: marks. */
  show(series, how, moments = []) {
    this.#series = series;
    this.#moments = moments;
    this.#unit = drawnUnit(series.unit, how);
    this.#draw();
  }

  #draw() {
    const { lines, band, start_s, step_s } = this.#series;
    const points = lines[0]?.values.length || 0;
    const some = lines.some((line) => line.values.some((one) => one !== null));
    this.note.hidden = some;
    if (!some) setText(this.note, "Nothing is known of this time.");
    if (!points) { this.#plot?.destroy(); this.#plot = null; this.#shape = ""; this.legend.replaceChildren(); setText(this.reading, ""); return; }
    const data = [Array.from({ length: points }, (_, at) => start_s + at * step_s), ...lines.map((line) => line.values)];
    if (band) data.push(band.high, band.low);
    const shape = `${this.#unit}|${Boolean(band)}|${lines.map((line) => lineName(line.labels)).join("|")}`;
    if (shape !== this.#shape || !this.#plot) this.#make(shape, data);
    else this.#plot.setData(data);
    this.#read(null);
    this.#describe();
  }

  #make(shape, data) {
    this.#plot?.destroy();
    this.#shape = shape;
    const { lines, band } = this.#series;
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--muted"), font: FONT, grid, ticks: { show: false }, gap: 6 };
    const series = [{}, ...lines.map((_, at) => ({
      stroke: this.#colour(at), width: 1.6, points: { show: false }, show: !this.#off.has(at), spanGaps: false,
      fill: lines.length === 1 ? `${this.#colour(at)}14` : undefined,
    }))];
    const bands = [];
    if (band) {
      series.push({ stroke: "transparent", width: 0, points: { show: false } }, { stroke: "transparent", width: 0, points: { show: false } });
      bands.push({ series: [series.length - 2, series.length - 1], fill: `${colour("--c7")}2e` });
    }
    this.#plot = new uPlot({
      width: this.place.clientWidth || 300, height: this.height, padding: [10, 20, 0, 0],
      legend: { show: false }, series, bands,
      scales: { x: { time: true }, y: { range: (_, least, most) => [Math.min(0, least ?? 0), roof(most)] } },
      axes: [{ ...axis, space: 72, size: 26, values: (_, splits, at, space, step) => splits.map((one) => tick(one, step)) },
        { ...axis, size: 58, space: 36, values: (_, splits) => splits.map((one) => tickValue(one, this.#unit)) }],
      cursor: { sync: { key: SYNC, scales: ["x", null], setSeries: false }, drag: { x: true, y: false, setScale: false }, y: false,
        points: { size: 7, width: 2, stroke: (_, at) => this.#colour(at - 1), fill: () => colour("--surface") },
        dataIdx: (_, at, nearest) => (band && at > lines.length ? null : nearest) },
      hooks: { setCursor: [(plot) => this.#read(plot.cursor.idx)], setSelect: [(plot) => this.#selected(plot)], drawAxes: [(plot) => this.#marks(plot)] },
    }, data, this.place);
    this.#legend();
  }

  #colour(at) { return colour(`--c${at % COLOURS}`); }

  #fit() {
    const width = this.place.clientWidth;
    if (this.#plot && width && width !== this.#plot.width) this.#plot.setSize({ width, height: this.height });
  }

  #legend() {
    const { lines, left_out } = this.#series;
    this.#readings = [];
    if (lines.length < 2 && !left_out) { this.legend.replaceChildren(); return; }
    this.legend.replaceChildren(...lines.map((line, at) => {
      const mark = h("i"), reading = h("b");
      mark.style.background = this.#colour(at);
      this.#readings.push(reading);
      const press = h("button", { type: "button", "aria-pressed": String(!this.#off.has(at)), class: this.#off.has(at) ? "off" : "", title: "show or hide",
        onclick: (event) => this.#press(at, press, event.altKey || event.shiftKey) }, mark, lineName(line.labels), reading);
      return press;
    }));
    if (left_out) this.legend.append(h("span", { class: "small muted", text: `and ${count(left_out)} more lines: choose fewer` }));
  }

  #press(at, press, alone) {
    const every = [...this.legend.querySelectorAll("button")];
    if (alone) this.#off = new Set(this.#off.size === every.length - 1 && !this.#off.has(at) ? [] : every.keys().filter((one) => one !== at));
    else if (!this.#off.delete(at)) this.#off.add(at);
    every.forEach((one, number) => {
      one.classList.toggle("off", this.#off.has(number));
      one.setAttribute("aria-pressed", String(!this.#off.has(number)));
      this.#plot.setSeries(number + 1, { show: !this.#off.has(number) });
    });
  }

  /** Values under the cursor, or the latest ones. */
  #read(at) {
    if (!this.#series) return;
    const { lines, start_s, step_s } = this.#series;
    const now = lines.map((line) => (at === null || at === undefined ? last(line.values) : line.values[at]));
    this.#readings.forEach((reading, number) => setText(reading, value(now[number], this.#unit)));
    if (lines.length === 1) setText(this.reading, now[0] === null || now[0] === undefined ? NONE : value(now[0], this.#unit));
    else setText(this.reading, at === null || at === undefined ? "" : moment(start_s + at * step_s));
  }

  #selected(plot) {
    const { left, width } = plot.select;
    if (width < 8 || !this.onRange) return;
    const range = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.onRange(...range);
  }

  #marks(plot) {
    const { ctx, bbox } = plot, scale = devicePixelRatio;
    ctx.save();
    for (const one of this.#moments) {
      const x = Math.round(plot.valToPos(one.at_s, "x", true)) + 0.5;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = ctx.fillStyle = colour(one.kind === "deployment" || one.kind === "restart" ? "--accent" : one.severity ? `--${one.severity}-fill` : "--faint");
      ctx.lineWidth = scale;
      ctx.setLineDash([3 * scale, 3 * scale]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 4 * scale, bbox.top - 6 * scale);
      ctx.lineTo(x + 4 * scale, bbox.top - 6 * scale);
      ctx.lineTo(x, bbox.top);
      ctx.fill();
    }
    ctx.restore();
  }

  /** For those who hear the page. */
  #describe() {
    const said = this.#series.lines.slice(0, 6).map((line) => `${lineName(line.labels)} ${value(last(line.values), this.#unit)}`);
    this.place.setAttribute("aria-label", `${this.title}: ${said.join(", ") || "no data"}`);
  }
}

function last(values) {
  for (let at = values.length - 1; at >= 0; at--) if (values[at] !== null) return values[at];
  return null;
}

function roof(most) {
  if (!most || most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most * 1.08));
  return Math.ceil((most * 1.08) / (power / 4)) * (power / 4);
}

function tick(at, step) {
  const then = new Date(at * 1000);
  const midnight = then.getHours() === 0 && then.getMinutes() === 0 && then.getSeconds() === 0;
  if (step >= 86400 || (midnight && step >= 3600)) return date(at);
  return step < 60 ? time(at) : minute(at);
}

/** A small line without axes, for figures. */
export function spark(canvas, values, name = "--accent") {
  const width = canvas.clientWidth, height = canvas.clientHeight, scale = devicePixelRatio || 1;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * scale)) { canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale); }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const known = values.filter((one) => one !== null && one !== undefined);
  if (known.length < 2) return;
  const most = Math.max(...known), least = Math.min(...known), room = most - least || most || 1;
  const floor = Math.max(0, least - room * 0.35), roofed = most + room * 0.15 || 1;
  const x = (at) => (at / (values.length - 1)) * width;
  const y = (one) => height - 1 - ((one - floor) / (roofed - floor || 1)) * (height - 4);
  pen.beginPath();
  let open = false, first = 0, end = 0;
  values.forEach((one, at) => {
    if (one === null || one === undefined) return;
    if (open) pen.lineTo(x(at), y(one)); else { pen.moveTo(x(at), y(one)); first = x(at); }
    open = true;
    end = x(at);
  });
  const tone = colour(name);
  pen.strokeStyle = tone;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.stroke();
  pen.lineTo(end, height);
  pen.lineTo(first, height);
  const shade = pen.createLinearGradient(0, 0, 0, height);
  shade.addColorStop(0, `${tone}2e`);
  shade.addColorStop(1, `${tone}00`);
  pen.fillStyle = shade;
  pen.fill();
}
