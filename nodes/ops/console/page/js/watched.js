// Charts that fetch themselves: a metric over the last minutes, or over a fixed stretch, drawn anew as time goes on.
import { get, where } from "./api.js";
import { Chart } from "./chart.js";
import { h, icon } from "./dom.js";
import { live } from "./live.js";
import { chartAddress } from "./explore.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];
const POINTS = 240;

export const stepOf = (span) => STEPS.find((step) => span / step <= POINTS) ?? STEPS.at(-1);

/**
 * spec: {title, name, how, by, where}; span: seconds up to now; or range: a function of [start, end]. Returns the card.
 * `page.poll` asks again while the page is open.
 */
export function watched(page, spec, { span = 3600, range = () => [live.now() - span, live.now()], band = true, height, moments = () => [] } = {}) {
  const open = h("a", { class: "icon-button", href: chartAddress(spec, span), "aria-label": `open ${spec.title} in charts`, title: "open in charts" }, icon("right"));
  const chart = new Chart({ title: spec.title, sub: sub(spec), height, signal: page.signal, tools: open });
  const fetch = async () => {
    const [start, end] = range();
    const step = stepOf(end - start);
    try {
      const series = await get("/api/series", ask({ ...spec, band: band && (spec.by || []).length < 2 }, Math.floor(start / step) * step, Math.ceil(end / step) * step, step), page.signal);
      chart.show(series, spec.how, moments());
    } catch (problem) {
      if (problem.name !== "AbortError") chart.fail(problem);
    }
  };
  page.poll(Math.max(stepOf(span), 5), fetch);
  return chart.element;
}

/** The parameters of /api/series. */
export function ask(spec, start, end, step) {
  return { name: spec.name, how: spec.how, by: spec.by || [], where: where(spec.where), start, end, step, band: spec.band ? 1 : "" };
}

function sub(spec) {
  const narrowed = Object.entries(spec.where || {}).map(([label, one]) => `${label} ${one}`);
  return [spec.name, ...narrowed].join(" · ");
}
