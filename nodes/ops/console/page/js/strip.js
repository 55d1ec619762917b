// Incidents over time, one below the other where they overlap, beside what was deployed, restarted and done.
import { h, setText } from "./dom.js";
import { date, minute, moment, span } from "./format.js";
import { to } from "./router.js";

const LANE = 26, TOP = 28, FOOT = 20;
const AHEAD = 0.02; // room behind now, so that what has just begun is seen

export class Strip {
  constructor() {
    this.stretch = 0;
    this.area = h("div", { class: "strip-area" });
    this.text = h("div", { class: "strip-text", "aria-live": "polite" });
    this.element = h("div", { class: "strip" }, this.area, this.text);
  }

  /** incidents: rows of the API; moments: changes; stretch: how many seconds back from now. */
  draw(incidents, moments, stretch, now) {
    const isRead = this.area.firstChild && (this.area.contains(document.activeElement) || this.area.matches(":hover"));
    if (isRead && this.stretch === stretch) return; // nothing moves under the pointer
    this.stretch = stretch;
    const from = now - stretch, whole = stretch * (1 + AHEAD);
    const share = (at) => (Math.min(Math.max(at, from), now) - from) / whole;
    const lanes = [];
    const bars = [...incidents].filter((one) => (one.ended_s || now) > from).sort((a, b) => a.begun_s - b.begun_s).map((one) => {
      const end = one.ended_s || now;
      const room = stretch * 0.012;
      let lane = lanes.findIndex((until) => until + room < one.begun_s);
      if (lane < 0) lane = lanes.length;
      lanes[lane] = end;
      const words = `${one.title}: ${one.severity}, ${moment(one.begun_s, now)}, ${one.ended_s ? `lasted ${span(end - one.begun_s)}` : `for ${span(end - one.begun_s)} so far`}`;
      const bar = h("a", { class: `strip-bar ${one.severity} ${one.state === "ended" ? "ended" : ""}`, href: to("incidents", one.id), "aria-label": words, title: words, ...this.#told(words) });
      bar.style.left = `${share(one.begun_s) * 100}%`;
      bar.style.width = `max(8px, ${(share(end) - share(one.begun_s)) * 100}%)`;
      bar.style.top = `${TOP + lane * LANE}px`;
      return bar;
    });
    const lanesHeight = TOP + Math.max(lanes.length, 2) * LANE;
    const changes = moments.filter((one) => one.at_s >= from && ["deployment", "restart", "action"].includes(one.kind)).map((one) => {
      const words = `${moment(one.at_s, now)}: ${one.text}`;
      const mark = h("button", { type: "button", class: `strip-change kind-${one.kind}`, "aria-label": words, title: words, ...this.#told(words) });
      mark.style.left = `${share(one.at_s) * 100}%`;
      mark.style.setProperty("--drop", `${lanesHeight - 20}px`);
      return mark;
    });
    const ticks = this.#ticks(from, now).map((at) => {
      const tick = h("div", { class: "strip-tick", "aria-hidden": "true" }, h("span", { text: stretch > 2 * 86400 ? date(at) : minute(at) }));
      tick.style.left = `${share(at) * 100}%`;
      return tick;
    });
    const line = h("div", { class: "strip-now", "aria-hidden": "true" });
    line.style.left = `${share(now) * 100}%`;
    this.area.style.height = `${lanesHeight + FOOT}px`;
    this.area.replaceChildren(...ticks, line, ...changes, ...bars);
    if (!bars.length) setText(this.text, "No incident in this time.");
    else if (this.text.textContent === "No incident in this time.") setText(this.text, "");
  }

  #told(words) {
    const tell = () => setText(this.text, words), forget = () => setText(this.text, "");
    return { onpointerenter: tell, onfocus: tell, onpointerleave: forget, onblur: forget };
  }

  #ticks(from, now) {
    const step = now - from > 2 * 86400 ? 86400 : now - from > 43200 ? 4 * 3600 : 3600;
    const first = new Date(from * 1000);
    first.setHours(0, 0, 0, 0);
    const found = [];
    for (let at = first.getTime() / 1000; at < now; at += step) if (at > from + step * 0.1 && at < now - step * 0.1) found.push(at);
    return found;
  }
}
