"use strict";
// Draws the charts of a report: SVG lines over time with a shared cursor. No library, nothing from elsewhere.
const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");
const NS = "http://www.w3.org/2000/svg";
const MARGIN = { left: 52, right: 10, top: 10, bottom: 24 };
const HEIGHT = 210;
const charts = [];

function make(name, attributes, parent, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function html(name, attributes, parent, text) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

const colour = (at) => `var(--c${at % 8})`;

function clock(seconds) {
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : 2);
}

function short(value) {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
  if (value >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
  return value >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(6));
}

function niceStep(most, count) {
  const rough = most / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 2.5, 5, 10]) if (factor * power >= rough) return factor * power;
  return 10 * power;
}

function timeStep(span, count) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];
  return steps.find((step) => span / step <= count) || 43200;
}

class Chart {
  constructor(spec, parent) {
    this.spec = spec;
    this.off = new Set();
    const card = html("div", { class: "card" }, parent);
    html("h2", {}, card, spec.title + (spec.unit ? `, ${spec.unit}` : ""));
    if (spec.note) html("p", { class: "note" }, card, spec.note);
    this.svg = make("svg", { height: HEIGHT, role: "img", tabindex: 0, "aria-label": spec.title }, card);
    this.legend(card);
    this.svg.addEventListener("pointermove", (event) => point(this, event));
    this.svg.addEventListener("pointerdown", (event) => point(this, event));
    this.svg.addEventListener("pointerleave", unpoint);
    this.svg.addEventListener("blur", unpoint);
    this.svg.addEventListener("keydown", (event) => step(this, event));
    new ResizeObserver(() => this.draw()).observe(card);
  }

  legend(card) {
    if (this.spec.series.length < 2) return;
    const legend = html("div", { class: "legend" }, card);
    this.spec.series.forEach((series, at) => {
      const button = html("button", { type: "button", title: "show or hide" }, legend);
      const mark = html("i", { class: series.dashed ? "dashed" : "" }, button);
      mark.style.borderTopColor = colour(series.colour ?? at);
      button.append(series.name);
      button.addEventListener("click", () => {
        if (!this.off.delete(at)) this.off.add(at);
        button.classList.toggle("off", this.off.has(at));
        this.draw();
      });
    });
  }

  shown() {
    return this.spec.series.map((series, at) => ({ ...series, at })).filter(({ at }) => !this.off.has(at));
  }

  draw() {
    const width = this.svg.clientWidth || 400;
    this.width = width;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren();
    const xs = this.spec.x || data.at;
    const first = this.spec.x ? xs[0] : 0;
    const last = Math.max(xs[xs.length - 1] ?? 1, first + 1e-9);
    const values = this.shown().flatMap((series) => series.values.filter((value) => value !== null));
    let most = Math.max(0, ...values.reduce((found, value) => (value > found[0] ? [value] : found), [0]));
    if (this.spec.limit && this.spec.limit.value <= most * 4) most = Math.max(most, this.spec.limit.value * 1.05);
    const stepY = niceStep(most || 1, 4);
    const top = Math.max(Math.ceil((most || 1) / stepY - 1e-9) * stepY, stepY);
    this.x = (value) => MARGIN.left + ((value - first) / (last - first || 1)) * (width - MARGIN.left - MARGIN.right);
    this.y = (value) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    this.axes(first, last, top, stepY);
    this.shown().forEach((series) => this.line(series, xs));
    this.cursor = make("g", {}, this.svg);
  }

  axes(first, last, top, stepY) {
    const bottom = HEIGHT - MARGIN.bottom, right = this.width - MARGIN.right;
    if (!this.spec.x && data.window) {
      const [from, to] = data.window.map((at) => this.x(Math.min(Math.max(at, first), last)));
      make("rect", { class: "window", x: from, y: MARGIN.top, width: Math.max(to - from, 0), height: bottom - MARGIN.top }, this.svg);
    }
    for (let value = 0; value <= top + 1e-9; value += stepY) {
      make("line", { class: "grid", x1: MARGIN.left, x2: right, y1: this.y(value), y2: this.y(value) }, this.svg);
      make("text", { x: MARGIN.left - 7, y: this.y(value) + 4, "text-anchor": "end" }, this.svg, short(value));
    }
    const count = Math.max(2, Math.floor((right - MARGIN.left) / 80));
    const stepX = this.spec.x ? niceStep(last - first, count) : timeStep(last - first, count);
    for (let value = Math.ceil(first / stepX) * stepX; value <= last; value += stepX) {
      const label = this.spec.x ? short(value) : clock(value);
      make("text", { x: this.x(value), y: HEIGHT - 6, "text-anchor": "middle" }, this.svg, label);
    }
    make("line", { class: "axis", x1: MARGIN.left, x2: right, y1: bottom, y2: bottom }, this.svg);
    if (!this.spec.x) for (const happened of data.happened) {
      const x = this.x(happened.at);
      make("line", { class: "happened", x1: x, x2: x, y1: MARGIN.top, y2: bottom }, this.svg);
    }
    const limit = this.spec.limit;
    if (limit && limit.value <= top) {
      const y = this.y(limit.value);
      make("line", { class: "limit", x1: MARGIN.left, x2: right, y1: y, y2: y }, this.svg);
      make("text", { class: "limit-text", x: right, y: y - 5, "text-anchor": "end" }, this.svg, limit.text);
    }
  }

  line(series, xs) {
    let path = "", open = false;
    series.values.forEach((value, at) => {
      if (value === null) { open = false; return; }
      path += `${open ? "L" : "M"}${this.x(xs[at]).toFixed(1)},${this.y(value).toFixed(1)}`;
      const alone = !open && (at + 1 >= series.values.length || series.values[at + 1] === null);
      if (alone) {
        const dot = make("circle", { cx: this.x(xs[at]), cy: this.y(value), r: 2.5 }, this.svg);
        dot.style.fill = colour(series.colour ?? series.at);
      }
      open = true;
    });
    const line = make("path", { class: "line", d: path }, this.svg);
    line.style.stroke = colour(series.colour ?? series.at);
    if (series.dashed) line.style.strokeDasharray = "5 4";
  }

  mark(at) {
    this.cursor.replaceChildren();
    const xs = this.spec.x || data.at;
    const x = this.x(xs[at]);
    make("line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }, this.cursor);
    for (const series of this.shown()) {
      if (series.values[at] === null) continue;
      const dot = make("circle", { cx: x, cy: this.y(series.values[at]), r: 3.5 }, this.cursor);
      dot.style.fill = colour(series.colour ?? series.at);
    }
  }
}

function nearest(xs, value) {
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < value) low = middle; else high = middle;
  }
  return Math.abs(xs[low] - value) <= Math.abs(xs[high] - value) ? low : high;
}

let current = 0;

function point(chart, event) {
  const box = chart.svg.getBoundingClientRect();
  const xs = chart.spec.x || data.at;
  const share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
  const first = chart.spec.x ? xs[0] : 0;
  show(chart, nearest(xs, first + share * (xs[xs.length - 1] - first)), event.clientX, event.clientY);
}

function step(chart, event) {
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!move) return;
  event.preventDefault();
  const xs = chart.spec.x || data.at;
  const at = Math.min(Math.max(current + move, 0), xs.length - 1);
  const box = chart.svg.getBoundingClientRect();
  show(chart, at, box.left + chart.x(xs[at]), box.top + HEIGHT / 3);
}

function show(chart, at, x, y) {
  const xs = chart.spec.x || data.at;
  if (!xs.length) return;
  current = at;
  for (const other of charts) {
    if (!other.spec.x === !chart.spec.x) other.mark(at); else other.cursor.replaceChildren();
  }
  tip.replaceChildren();
  html("b", {}, tip, chart.spec.x ? `${number(xs[at])} players` : clock(xs[at]));
  for (const series of chart.shown()) {
    const row = html("div", {}, tip);
    const name = html("span", {}, row);
    html("i", {}, name).style.background = colour(series.colour ?? series.at);
    name.append(series.name);
    html("span", {}, row, `${number(series.values[at])}${series.values[at] === null ? "" : " " + (chart.spec.unit || "")}`);
  }
  if (!chart.spec.x) for (const happened of data.happened) {
    if (Math.abs(happened.at - xs[at]) <= data.step / 2) html("em", {}, tip, happened.text);
  }
  tip.style.left = "0";
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const left = x + 16 + box.width > width ? x - box.width - 16 : x + 16;
  tip.style.left = `${Math.min(Math.max(left, 6), Math.max(width - box.width - 6, 6))}px`;
  tip.style.top = `${Math.max(Math.min(y + 14, innerHeight - box.height - 6), 6)}px`;
}

function unpoint() {
  tip.hidden = true;
  for (const chart of charts) chart.cursor.replaceChildren();
}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
const place = document.getElementById("charts");
for (const spec of data.charts) charts.push(new Chart(spec, place));
