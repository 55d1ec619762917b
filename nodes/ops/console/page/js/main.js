// Where the page begins: who is signed in, which page is meant, and the life of each page.
import { get, session } from "./api.js";
import { failure, h } from "./dom.js";
import { showHelp } from "./help.js";
import { beginKeys, goKey, key } from "./keys.js";
import { live } from "./live.js";
import { begin, find, navigate, route } from "./router.js";
import { makeShell, SECTIONS } from "./shell.js";
import { toggle } from "./theme.js";
import * as account from "./pages/account.js";
import * as actions from "./pages/actions.js";
import * as audit from "./pages/audit.js";
import * as charts from "./pages/charts.js";
import { signIn } from "./pages/door.js";
import * as incident from "./pages/incident.js";
import * as incidents from "./pages/incidents.js";
import * as node from "./pages/node.js";
import * as nodes from "./pages/nodes.js";
import * as overview from "./pages/overview.js";
import * as player from "./pages/player.js";
import * as players from "./pages/players.js";
import * as search from "./pages/search.js";
import * as trace from "./pages/trace.js";
import * as traces from "./pages/traces.js";
import * as world from "./pages/world.js";

const app = document.getElementById("app");
let shell = null;
let ending = null; // of the page that is shown
let signed = null; // of the time somebody is signed in

for (const [pattern, page] of [
  ["/", overview], ["/overview", overview], ["/nodes", nodes], ["/nodes/:node", node], ["/charts", charts], ["/world", world], ["/incidents", incidents],
  ["/incidents/:incident", incident], ["/traces", traces], ["/traces/:trace", trace], ["/search", search], ["/players", players], ["/players/:player", player],
  ["/actions", actions], ["/audit", audit], ["/account", account],
]) route(pattern, page);

/** Show what the address says. A page module has `section`, `title` and `show(page)`. */
function go() {
  if (!shell) return;
  ending?.abort();
  ending = new AbortController();
  const { signal } = ending;
  const found = find(location.pathname);
  const root = h("div");
  shell.content.replaceChildren(root);
  scrollTo(0, 0);
  if (!found) {
    shell.at("");
    title("Not found");
    root.append(failure({ code: "not_found", message: `There is no page ${location.pathname}.` }));
    return;
  }
  shell.at(found.page.section);
  const page = {
    root, params: found.params, signal, shell, title,
    /** Now, and every so many seconds while the page is open and seen. */
    poll(seconds, ask) {
      const turn = () => { if (!document.hidden) ask(); };
      ask();
      const timer = setInterval(turn, seconds * 1000);
      signal.addEventListener("abort", () => clearInterval(timer));
    },
    /** With each pulse, and at once when there is one already. */
    onPulse(draw) {
      live.addEventListener("pulse", () => draw(live.latest), { signal });
      if (live.latest) draw(live.latest);
    },
    on(target, name, run) { target.addEventListener(name, run, { signal }); },
  };
  title(found.page.title);
  found.page.show(page);
}

function title(text) { document.title = `${text} · zonemesh`; }

function enter(me) {
  session.me = me;
  signed = new AbortController();
  shell = makeShell(signed.signal);
  app.replaceChildren(shell.element);
  live.start();
  go();
}

function leave() {
  ending?.abort();
  signed?.abort();
  live.stop();
  shell = null;
  document.querySelectorAll("dialog").forEach((one) => one.close());
  title("Sign in");
  app.replaceChildren(signIn(enter));
  app.querySelector("input")?.focus();
}

key("/", "Search", () => document.getElementById("finder")?.focus());
key("?", "This list", showHelp);
key("d", "Light or dark", toggle);
for (const [, entries] of SECTIONS) for (const [, path, text, letter] of entries) goKey(letter, text, () => shell && navigate(path));
beginKeys();
begin(go);
session.addEventListener("out", leave);
try {
  enter(await get("/api/me"));
} catch (problem) {
  if (problem.code === "signed_out") leave();
  else app.replaceChildren(h("div", { class: "door" }, failure(problem, () => location.reload())));
}
