"use strict";
// Draws the charts of a report: lines over time or numbers, and bars by name. No library, nothing from elsewhere.
const specs = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");
const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 220;
const DAY = 86400000;

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

const colour = (line, at) => `var(--c${(line.colour ?? at) % 8})`;
const two = (value) => String(value).padStart(2, "0");

function moment(ms, span) {
  const date = new Date(ms);
  const day = `${two(date.getUTCDate())} ${date.toLocaleString("en", { month: "short", timeZone: "UTC" })}`;
  if (span > 3 * DAY) return day;
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

function fullMoment(ms) {
  const text = new Date(ms).toISOString();
  return ms % DAY ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : text.slice(0, 10);
}

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(size >= 10 ? 1 : 2);
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return `${+(value / 1e9).toFixed(2)}G`;
  if (size >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(6));
}

function niceStep(most, count) {
  const rough = most / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 2.5, 5, 10]) if (factor * power >= rough) return factor * power;
  return 10 * power;
}

function timeStep(span, count) {
  const hour = DAY / 24;
  const steps = [hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY];
  return steps.find((step) => span / step <= count) || 364 * DAY;
}

class Chart {
  constructor(spec, parent) {
    this.spec = spec;
    this.off = new Set();
    this.current = 0;
    const card = html("div", { class: "card" }, parent);
    html("h2", {}, card, spec.title + (spec.unit ? `, ${spec.unit}` : ""));
    if (spec.note) html("p", { class: "note" }, card, spec.note);
    this.svg = make("svg", { height: HEIGHT, role: "img", tabindex: 0, "aria-label": spec.title }, card);
    this.legend(card);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.unpoint());
    this.svg.addEventListener("blur", () => this.unpoint());
    this.svg.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.draw()).observe(card);
  }

  legend(card) {
    if (this.spec.lines.length < 2) return;
    const legend = html("div", { class: "legend" }, card);
    this.spec.lines.forEach((line, at) => {
      const button = html("button", { type: "button", title: "show or hide" }, legend);
      html("i", { class: line.dashed ? "dashed" : "" }, button).style.borderTopColor = colour(line, at);
      button.append(line.name);
      button.addEventListener("click", () => {
        if (!this.off.delete(at)) this.off.add(at);
        button.classList.toggle("off", this.off.has(at));
        this.draw();
      });
    });
  }

  shown() {
    return this.spec.lines.map((line, at) => ({ ...line, at })).filter(({ at }) => !this.off.has(at));
  }

  draw() {
    this.width = this.svg.clientWidth || 400;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.svg.replaceChildren();
    const bars = this.spec.bars, count = this.spec.x.length;
    this.left = 54;
    this.right = this.width - 10;
    const room = (this.right - this.left) / Math.max(count, 1);
    this.slanted = bars && Math.max(...this.spec.x.map((name) => String(name).length * 6.5)) > Math.max(room, 8) - 4;
    this.bottom = HEIGHT - (this.slanted ? 78 : 24);
    const values = this.shown().flatMap((line) => line.values.filter((value) => value !== null));
    const most = values.reduce((a, b) => Math.max(a, b), 0), least = values.reduce((a, b) => Math.min(a, b), 0);
    const stepY = niceStep(most - least || 1, 4);
    const top = Math.max(Math.ceil(most / stepY - 1e-9) * stepY, stepY), low = Math.floor(least / stepY + 1e-9) * stepY;
    const first = bars ? 0 : this.spec.x[0] ?? 0;
    const last = bars ? count : Math.max(this.spec.x[count - 1] ?? 1, first + 1e-9);
    this.x = (value) => this.left + ((value - first) / (last - first || 1)) * (this.right - this.left);
    this.y = (value) => this.bottom - ((value - low) / (top - low)) * (this.bottom - 10);
    this.axes(first, last, low, top, stepY);
    if (bars) this.drawBars(room); else this.shown().forEach((line) => this.drawLine(line));
    this.cursor = make("g", {}, this.svg);
  }

  axes(first, last, low, top, stepY) {
    for (let value = low; value <= top + 1e-9 * stepY; value += stepY) {
      make("line", { class: "grid", x1: this.left, x2: this.right, y1: this.y(value), y2: this.y(value) }, this.svg);
      make("text", { x: this.left - 7, y: this.y(value) + 4, "text-anchor": "end" }, this.svg, short(value));
    }
    const zero = this.y(Math.max(low, 0));
    make("line", { class: "axis", x1: this.left, x2: this.right, y1: zero, y2: zero }, this.svg);
    if (this.spec.bars) { this.names(); return; }
    const count = Math.max(2, Math.floor((this.right - this.left) / 80)), span = last - first;
    const stepX = this.spec.over_time ? timeStep(span, count) : niceStep(span, count);
    for (let value = Math.ceil(first / stepX) * stepX; value <= last; value += stepX) {
      const label = this.spec.over_time ? moment(value, span) : short(value);
      make("text", { x: this.x(value), y: this.bottom + 18, "text-anchor": "middle" }, this.svg, label);
    }
  }

  names() {
    this.spec.x.forEach((name, at) => {
      const x = this.x(at + 0.5);
      const text = String(name).length > 24 ? `${String(name).slice(0, 23)}…` : String(name);
      if (!this.slanted) {
        make("text", { x, y: this.bottom + 18, "text-anchor": "middle" }, this.svg, text);
      } else if (this.spec.x.length <= 40 || at % Math.ceil(this.spec.x.length / 40) === 0) {
        const y = this.bottom + 12;
        make("text", { class: "slanted", x, y, "text-anchor": "end", transform: `rotate(-40 ${x} ${y})` }, this.svg, text);
      }
    });
  }

  drawBars(room) {
    const lines = this.shown(), wide = (room * 0.8) / Math.max(lines.length, 1);
    lines.forEach((line, place) => {
      line.values.forEach((value, at) => {
        if (value === null) return;
        const y = Math.min(this.y(value), this.y(0)), high = Math.abs(this.y(value) - this.y(0));
        const x = this.x(at) + room * 0.1 + place * wide;
        const bar = make("rect", { class: "bar", x, y, width: Math.max(wide - 1, 1), height: high, "data-at": at }, this.svg);
        bar.style.fill = colour(line, line.at);
      });
    });
  }

  drawLine(line) {
    let path = "", open = false;
    line.values.forEach((value, at) => {
      if (value === null) { open = false; return; }
      path += `${open ? "L" : "M"}${this.x(this.spec.x[at]).toFixed(1)},${this.y(value).toFixed(1)}`;
      const alone = !open && (at + 1 >= line.values.length || line.values[at + 1] === null);
      if (alone) make("circle", { cx: this.x(this.spec.x[at]), cy: this.y(value), r: 2.5 }, this.svg).style.fill = colour(line, line.at);
      open = true;
    });
    const drawn = make("path", { class: "line", d: path }, this.svg);
    drawn.style.stroke = colour(line, line.at);
    if (line.dashed) drawn.style.strokeDasharray = "5 4";
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const share = (event.clientX - box.left - this.left) / (this.right - this.left), count = this.spec.x.length;
    if (!count) return;
    let at = Math.floor(share * count);
    if (!this.spec.bars) {
      const wanted = this.spec.x[0] + share * (this.spec.x[count - 1] - this.spec.x[0]);
      at = this.spec.x.reduce((best, x, place) => (Math.abs(x - wanted) < Math.abs(this.spec.x[best] - wanted) ? place : best), 0);
    }
    this.show(Math.min(Math.max(at, 0), count - 1), event.clientX, event.clientY);
  }

  step(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !this.spec.x.length) return;
    event.preventDefault();
    const at = Math.min(Math.max(this.current + move, 0), this.spec.x.length - 1);
    const box = this.svg.getBoundingClientRect();
    this.show(at, box.left + this.x(this.spec.bars ? at + 0.5 : this.spec.x[at]), box.top + HEIGHT / 3);
  }

  show(at, x, y) {
    this.unpoint();
    this.current = at;
    const lines = this.shown();
    if (this.spec.bars) {
      for (const bar of this.svg.querySelectorAll(`[data-at="${at}"]`)) bar.classList.add("pointed");
    } else {
      const place = this.x(this.spec.x[at]);
      make("line", { class: "cursor", x1: place, x2: place, y1: 10, y2: this.bottom }, this.cursor);
      for (const line of lines) {
        if (line.values[at] === null) continue;
        make("circle", { cx: place, cy: this.y(line.values[at]), r: 3.5 }, this.cursor).style.fill = colour(line, line.at);
      }
    }
    tip.replaceChildren();
    const head = this.spec.over_time ? fullMoment(this.spec.x[at]) : this.spec.bars ? this.spec.x[at] : number(this.spec.x[at]);
    html("b", {}, tip, head);
    for (const line of lines) {
      const row = html("div", {}, tip);
      const name = html("span", {}, row);
      html("i", {}, name).style.background = colour(line, line.at);
      name.append(line.name);
      html("span", {}, row, `${number(line.values[at])}${this.spec.unit === "%" ? " %" : ""}`);
    }
    tip.style.left = "0";
    tip.hidden = false;
    const box = tip.getBoundingClientRect(), width = document.documentElement.clientWidth;
    const left = x + 16 + box.width > width ? x - box.width - 16 : x + 16;
    tip.style.left = `${Math.min(Math.max(left, 6), Math.max(width - box.width - 6, 6))}px`;
    tip.style.top = `${Math.max(Math.min(y + 14, innerHeight - box.height - 6), 6)}px`;
  }

  unpoint() {
    tip.hidden = true;
    this.cursor.replaceChildren();
    for (const bar of this.svg.querySelectorAll(".pointed")) bar.classList.remove("pointed");
  }
}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
const place = document.getElementById("charts");
for (const spec of specs) new Chart(spec, place);
