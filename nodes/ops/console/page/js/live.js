// What the console is told each second. Keeps the latest only; whoever looks is called.
import { get, session, signedOut } from "./api.js";

const STALE_MS = 4000;
const HIDDEN_MS = 60_000; // a tab that nobody sees gives its connection back
const AGAIN_MS = 3000;

class Live extends EventTarget {
  latest = null;
  state = "connecting"; // connecting, live, stale, lost
  trouble = "";
  offset = 0; // of the server's clock to this one's, in seconds
  page = ""; // which page the server has; another one than at first: this one is old
  #source = null;
  #heard = 0;
  #timer = 0;
  #again = 0;
  #hidden = 0;

  start() {
    if (this.#timer) return;
    this.#timer = setInterval(() => this.#watch(), 1000);
    document.addEventListener("visibilitychange", this.#seen);
    this.#open();
  }

  stop() {
    clearInterval(this.#timer);
    clearTimeout(this.#again);
    clearTimeout(this.#hidden);
    document.removeEventListener("visibilitychange", this.#seen);
    this.#timer = 0;
    this.#close();
    this.latest = null;
    this.page = "";
  }

  /** Seconds since 1970 on the server's clock. */
  now() { return Date.now() / 1000 + this.offset; }

  /** Everything about one node, or undefined. */
  node(name) { return this.latest?.overview.nodes.find((node) => node.name === name); }

  #seen = () => {
    clearTimeout(this.#hidden);
    if (document.hidden) this.#hidden = setTimeout(() => this.#close(), HIDDEN_MS);
    else if (!this.#source) this.#open();
  };

  #open() {
    clearTimeout(this.#again);
    this.#close();
    if (document.hidden && this.latest) return;
    const source = this.#source = new EventSource("/api/live");
    source.addEventListener("pulse", (event) => this.#pulse(JSON.parse(event.data)));
    source.addEventListener("trouble", (event) => {
      this.#heard = Date.now();
      this.trouble = JSON.parse(event.data).text;
      this.#is("stale");
    });
    source.addEventListener("end", (event) => {
      this.#close();
      if (JSON.parse(event.data).code === "signed_out") signedOut();
      else this.#later();
    });
    source.onerror = () => {
      this.#is("lost");
      if (source.readyState === EventSource.CLOSED) this.#later();
    };
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  /** The browser gives up after some answers: ask why, then try again. */
  #later() {
    this.#is("lost");
    clearTimeout(this.#again);
    this.#again = setTimeout(async () => {
      try { await get("/api/me"); } catch { /* told elsewhere */ }
      if (session.me && this.#timer) this.#open();
    }, AGAIN_MS);
  }

  #pulse(said) {
    this.#heard = Date.now();
    this.trouble = "";
    this.latest = said;
    this.offset = said.overview.at_s - Date.now() / 1000;
    if (!this.page) this.page = said.page;
    else if (this.page !== said.page) this.dispatchEvent(new Event("old"));
    this.#is("live");
    this.dispatchEvent(new Event("pulse"));
  }

  #watch() {
    if (this.state === "live" && Date.now() - this.#heard > STALE_MS && !document.hidden) this.#is("stale");
  }

  #is(state) {
    if (state === this.state && !this.trouble) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

export const live = new Live();
