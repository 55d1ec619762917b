// How the explorer's charts are written into an address, so that a link shows the same to somebody else.

/** {name, how, by, where, band} as one word: name~how~by,by~label:value,label:value~band */
export function pack(spec) {
  const labels = Object.entries(spec.where || {}).map(([label, value]) => `${label}:${value}`);
  return [spec.name, spec.how, (spec.by || []).join(","), labels.join(","), spec.band === false ? "0" : "1"].join("~");
}

export function unpack(text) {
  const [name, how = "value", by = "", labels = "", band = "1"] = text.split("~");
  const pairs = labels ? labels.split(",").map((one) => [one.slice(0, one.indexOf(":")), one.slice(one.indexOf(":") + 1)]) : [];
  return { name, how, by: by ? by.split(",") : [], where: Object.fromEntries(pairs.filter(([label]) => label)), band: band !== "0" };
}

/** Where the explorer shows this chart. */
export function chartAddress(spec, span = 3600) {
  const query = new URLSearchParams({ r: String(span) });
  query.append("c", pack({ ...spec, by: spec.by?.length ? spec.by : [] }));
  return `/charts?${query}`;
}

export const HOWS = {
  counter: [["rate", "per second"], ["value", "total"]],
  gauge: [["value", "value"]],
  histogram: [["p99", "99 %"], ["p95", "95 %"], ["p50", "median"], ["mean", "mean"], ["rate", "count per second"]],
};
