// The frame: side bar, top bar, state of the connection, and the place where pages are shown.
import { post, session, signedOut } from "./api.js";
import { h, icon, setClass, setText } from "./dom.js";
import { finder } from "./finder.js";
import { time } from "./format.js";
import { showHelp } from "./help.js";
import { live } from "./live.js";
import { isDark, onTheme, stillness, toggle } from "./theme.js";
import { wrong } from "./toast.js";

export const SECTIONS = [
  ["See", [["overview", "/", "Overview", "o"], ["nodes", "/nodes", "Nodes", "n"], ["world", "/world", "World", "w"], ["charts", "/charts", "Charts", "c"]]],
  ["Look into", [["incidents", "/incidents", "Incidents", "i"], ["traces", "/traces", "Traces", "t"], ["search", "/search", "Log and events", "l"], ["players", "/players", "Players", "p"]]],
  ["Operate", [["actions", "/actions", "Actions", "a"], ["audit", "/audit", "Audit", "u"], ["account", "/account", "Account", "m"]]],
];

const WORDS = { connecting: "Connecting", live: "Live", stale: "No news", lost: "Disconnected" };

export function makeShell(signal) {
  const anchors = new Map();
  const incidents = h("span", { class: "count", hidden: true });
  const nav = h("nav", { class: "nav", "aria-label": "Pages" }, SECTIONS.map(([title, entries]) => [h("h3", { text: title }), entries.map(([id, path, text]) => {
    const anchor = h("a", { href: path }, icon(id), text, id === "incidents" && incidents);
    anchors.set(id, anchor);
    return anchor;
  })]));
  const cluster = h("span", { text: " " });
  const pulse = h("div", { class: "pulse", role: "status" }, h("i"), h("span"));
  const who = h("div", { class: "row spread" }, h("span", { text: `${session.me.name}, ${session.me.role}` }),
    h("button", { type: "button", class: "button quiet small", text: "Sign out", onclick: leave }));
  const side = h("aside", { class: "side", id: "side" },
    h("a", { class: "brand", href: "/" }, h("img", { src: "/page/favicon.svg", alt: "" }), h("div", {}, h("b", { text: "zonemesh" }), cluster)),
    nav, h("div", { class: "side-foot" }, pulse, who));
  const veil = h("div", { class: "veil", hidden: true, onclick: () => drawer(false) });
  const menu = h("button", { type: "button", class: "icon-button menu", "aria-label": "menu", "aria-controls": "side", "aria-expanded": "false", onclick: () => drawer(!side.classList.contains("open")) }, icon("menu"));
  const lamp = h("button", { type: "button", class: "icon-button", onclick: toggle });
  const now = h("time", { class: "now" });
  const banners = h("div", { "aria-live": "assertive" });
  const content = h("main", { class: "content", id: "content", tabindex: "-1" });
  const element = h("div", {}, h("a", { class: "skip", href: "#content", text: "To the content", onclick: (event) => { event.preventDefault(); content.focus(); } }),
    h("div", { class: "shell" }, side, h("div", { class: "main" },
      h("div", { class: "top" }, menu, finder(signal), h("div", { class: "top-right" }, now, lamp,
        h("button", { type: "button", class: "icon-button help", "aria-label": "keyboard shortcuts", title: "Keyboard shortcuts (?)", onclick: showHelp }, icon("help")))),
      banners, content), veil));

  function drawer(isOpen) {
    side.classList.toggle("open", isOpen);
    veil.hidden = !isOpen;
    menu.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) anchors.get("overview").focus();
  }
  function drawLamp() {
    lamp.replaceChildren(icon(isDark() ? "sun" : "moon"));
    lamp.setAttribute("aria-label", isDark() ? "light colours" : "dark colours");
    lamp.title = isDark() ? "Light" : "Dark";
  }
  function drawState() {
    setClass(pulse, `pulse ${live.state}`);
    setText(pulse.lastChild, WORDS[live.state]);
    if (live.state === "lost" && live.latest) banner("lost", "critical", `The console is not reached: what you see is of ${time(live.latest.overview.at_s)}. Trying again.`);
    else if (live.state === "stale") banner("lost", "warning", live.trouble ? `The mesh cannot be asked: ${live.trouble}.` : "Nothing was heard for some seconds: what you see may be old.");
    else banner("lost");
  }
  function drawPulse() {
    const { overview, incidents: open } = live.latest;
    setText(cluster, overview.cluster);
    setText(now, time(overview.at_s));
    if (!stillness.matches) pulse.firstChild.animate({ opacity: [0.4, 1] }, 500);
    const fresh = open.filter((one) => one.state === "open");
    incidents.hidden = fresh.length === 0;
    setText(incidents, String(fresh.length));
    setClass(incidents, `count ${fresh.some((one) => one.severity === "critical") ? "critical" : "warning"}`);
    incidents.setAttribute("aria-label", `${fresh.length} open`);
  }
  function banner(id, kind, text, action) {
    let shown = [...banners.children].find((one) => one.dataset.id === id);
    if (!text) { shown?.remove(); return; }
    if (!shown) banners.append(shown = h("div", { dataset: { id } }, h("span"), action));
    setClass(shown, `banner ${kind}`);
    setText(shown.firstChild, text);
  }
  async function leave() {
    try { await post("/api/sign-out"); signedOut(); } catch (problem) { wrong(problem.message); }
  }

  drawLamp();
  onTheme(drawLamp, signal);
  drawState();
  live.addEventListener("state", drawState, { signal });
  live.addEventListener("pulse", drawPulse, { signal });
  live.addEventListener("old", () => banner("old", "notice", "The console was updated.", h("button", { type: "button", class: "button small", text: "Load it again", onclick: () => location.reload() })), { signal });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") drawer(false); }, { signal });
  if (session.me.temporary) banner("temporary", "warning", "Somebody else knows your password: choose one of your own.", h("a", { class: "button small", href: "/account", text: "Change it" }));

  return {
    element, content,
    ownPassword() { banner("temporary"); },
    at(id) {
      drawer(false);
      for (const [one, anchor] of anchors) { if (one === id) anchor.setAttribute("aria-current", "page"); else anchor.removeAttribute("aria-current"); }
    },
  };
}
