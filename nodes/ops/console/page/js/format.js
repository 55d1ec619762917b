// Numbers, times and words as people read them.
const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const clockSeconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const clockMinutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const NONE = "–";

export const count = (value) => (value === null || value === undefined ? NONE : whole.format(value));

/** Three digits that matter: 0.42, 7.3, 46, 1,214, 12.4k. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e9) return `${trim(value / 1e9, 2)}G`;
  if (size >= 1e6) return `${trim(value / 1e6, size >= 1e8 ? 0 : size >= 1e7 ? 1 : 2)}M`;
  if (size >= 1e4) return `${trim(value / 1e3, size >= 1e5 ? 0 : 1)}k`;
  if (size >= 100) return whole.format(value);
  if (size >= 10) return trim(value, 1);
  if (size >= 0.01 || size === 0) return trim(value, 2);
  return value.toPrecision(2);
}

const trim = (value, digits) => { const text = value.toFixed(digits); return text.includes(".") ? text.replace(/\.?0+$/, "") : text; };

function scaled(value, units) {
  const size = Math.abs(value);
  let at = units.findIndex(([factor]) => size >= factor);
  if (at < 0) at = units.length - 1;
  const number = value / units[at][0];
  return [at === units.length - 1 || Math.abs(number) >= 999.5 ? short(Math.round(number * 100) / 100) : number.toPrecision(3), units[at][1]];
}

const BYTES = [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
const SECONDS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];

/** [number, unit] of a value. */
export function parts(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return [NONE, ""];
  switch (unit) {
    case "s": return value === 0 ? ["0", "s"] : scaled(value, SECONDS);
    case "bytes": return scaled(value, BYTES);
    case "bytes_per_s": { const [number, name] = scaled(value, BYTES); return [number, `${name}/s`]; }
    case "per_s": return [short(value), "/s"];
    case "ratio": return [Math.abs(value) >= 0.0995 || value === 0 ? whole.format(value * 100) : short(value * 100), "%"];
    default: return [Math.abs(value) < 1e5 && Number.isInteger(value) ? whole.format(value) : short(value), ""];
  }
}

export function value(number, unit) {
  const [text, name] = parts(number, unit);
  return name === "/s" ? `${text}/s` : name ? `${text} ${name}` : text;
}

/** As labels of an axis: 20 ms, not 20.0 ms. */
export const tickValue = (number, unit) => value(number, unit).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");

export const bytes = (number) => value(number, "bytes");
export const seconds = (number) => value(number, "s");
export const ratio = (number) => value(number, "ratio");

/** How long something lasts: "48 s", "11 min", "2 h 14 min", "3 d 4 h". */
export function span(s) {
  const all = Math.max(0, Math.round(s));
  if (all < 60) return `${all} s`;
  if (all < 3600) return all < 600 && all % 60 ? `${Math.floor(all / 60)} min ${all % 60} s` : `${Math.floor(all / 60)} min`;
  if (all < 86400) { const left = Math.floor((all % 3600) / 60); return `${Math.floor(all / 3600)} h${left ? ` ${left} min` : ""}`; }
  const left = Math.floor((all % 86400) / 3600);
  return `${Math.floor(all / 86400)} d${left ? ` ${left} h` : ""}`;
}

/** The greatest unit only, for narrow columns: "48 s", "11 min", "2 h", "3 d". */
export function briefly(s) {
  const all = Math.max(0, Math.round(s));
  return all < 60 ? `${all} s` : all < 3600 ? `${Math.floor(all / 60)} min` : all < 86400 ? `${Math.floor(all / 3600)} h` : `${Math.floor(all / 86400)} d`;
}

export const ago = (at, now) => (now - at < 2 ? "just now" : `${briefly(now - at)} ago`);
export const time = (at) => clockSeconds.format(at * 1000);
export const minute = (at) => clockMinutes.format(at * 1000);
export const date = (at) => day.format(at * 1000);
const startOfDay = (at) => new Date(at * 1000).setHours(0, 0, 0, 0);

/** "14:03:22" today, else "23 Nov 14:03". */
export function moment(at, now = Date.now() / 1000) {
  if (!at) return NONE;
  if (startOfDay(at) === startOfDay(now)) return time(at);
  const same = new Date(at * 1000).getFullYear() === new Date(now * 1000).getFullYear();
  return `${(same ? day : dayYear).format(at * 1000)} ${minute(at)}`;
}

export const full = (at) => (at ? `${dayYear.format(at * 1000)} ${time(at)}` : "");

export function plural(number, word, many = `${word}s`) { return `${count(number)} ${number === 1 ? word : many}`; }

export function fields(object) {
  return Object.entries(object).map(([key, one]) => `${key}=${typeof one === "string" ? one : JSON.stringify(one)}`).join("  ");
}

export const ORDER = { critical: 3, warning: 2, notice: 1, "": 0 };
export const STATES = { Ready: "ok", Starting: "notice", Draining: "warning", Shutdown: "critical", Away: "critical" };
export const levelClass = (level) => `v${Math.min(level, 4)}`;
/** Of a pressure that leaves nothing out yet: the colour says how near the limit is. */
export const pressureClass = (pressure, level) => (level ? levelClass(level) : pressure >= 0.85 ? "v1" : "v0");
export const byNumber = (a, b) => a.localeCompare(b, "en", { numeric: true });
