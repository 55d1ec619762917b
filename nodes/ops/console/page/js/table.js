// Tables whose rows stay: a row that is there already is changed where it has changed, and nowhere else.
import { arrange, h, icon, setText } from "./dom.js";
import { byNumber } from "./format.js";
import { navigate } from "./router.js";

const REORDER_MS = 3000;

/**
 * columns: [{id, title, num, class, value(row) for sorting, text(row), draw(cell, row) instead of text, sr: title for readers only}]
 * key(row); href(row): where a click on the row goes; sort: [column, descending]; none: shown when there is no row.
 */
export class Table {
  constructor({ columns, key, href, sort = null, none = null, label, keep = null }) {
    this.columns = columns;
    this.key = key;
    this.href = href;
    this.sort = keep?.sort || sort;
    this.none = none;
    this.keep = keep;
    this.rows = [];
    this.known = new Map();
    this.orderedAt = 0;
    this.heads = columns.map((column) => this.#head(column));
    this.body = h("tbody");
    this.table = h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, this.heads)), this.body);
    this.empty = h("div", { hidden: true }, none);
    this.element = h("div", { class: "table-wrap" }, this.table, this.empty);
    this.#mark();
  }

  update(rows) {
    this.rows = rows;
    const seen = new Set();
    for (const row of rows) {
      const key = this.key(row);
      seen.add(key);
      let known = this.known.get(key);
      if (!known) this.known.set(key, known = this.#row());
      known.row = row;
      this.#fill(known);
    }
    let changed = false;
    for (const key of this.known.keys()) if (!seen.has(key)) { this.known.delete(key); changed = true; }
    const now = performance.now();
    const isNew = this.body.children.length !== rows.length || changed;
    if (isNew || !this.sort || (now - this.orderedAt > REORDER_MS && !this.body.matches(":hover, :focus-within"))) this.#order();
    this.empty.hidden = rows.length > 0;
    this.table.hidden = rows.length === 0 && this.none !== null;
  }

  #head(column) {
    if (!column.value) return h("th", { class: column.num ? "num" : column.class, scope: "col" }, column.sr ? h("span", { class: "sr", text: column.title }) : column.title);
    const press = h("button", { type: "button", onclick: () => this.#sortBy(column) }, column.title, icon("up"));
    return h("th", { class: column.num ? "num" : column.class, scope: "col" }, press);
  }

  #sortBy(column) {
    const [id, descending] = this.sort || [];
    this.sort = id === column.id ? [id, !descending] : [column.id, Boolean(column.num)];
    if (this.keep) this.keep.sort = this.sort;
    this.#mark();
    this.#order();
  }

  #mark() {
    this.columns.forEach((column, at) => {
      const [id, descending] = this.sort || [];
      if (column.id === id) this.heads[at].setAttribute("aria-sort", descending ? "descending" : "ascending");
      else this.heads[at].removeAttribute("aria-sort");
    });
  }

  #order() {
    this.orderedAt = performance.now();
    let rows = this.rows;
    const column = this.sort && this.columns.find((one) => one.id === this.sort[0]);
    if (column) {
      const turn = this.sort[1] ? -1 : 1;
      rows = [...rows].sort((a, b) => {
        const left = column.value(a), right = column.value(b);
        return turn * (typeof left === "string" ? byNumber(left, right) : left - right) || byNumber(String(this.key(a)), String(this.key(b)));
      });
    }
    arrange(this.body, rows.map((row) => this.known.get(this.key(row)).element));
  }

  #row() {
    const known = { cells: this.columns.map((column) => h("td", { class: [column.num && "num", column.class].filter(Boolean).join(" ") || undefined })), row: null };
    known.element = h("tr", { class: this.href ? "open-row" : undefined }, known.cells);
    if (this.href) known.element.addEventListener("click", (event) => {
      if (event.target.closest("a, button, input") || String(getSelection())) return;
      const address = this.href(known.row);
      if (event.ctrlKey || event.metaKey) window.open(address); else navigate(address);
    });
    return known;
  }

  #fill({ cells, row }) {
    this.columns.forEach((column, at) => {
      if (column.draw) column.draw(cells[at], row);
      else setText(cells[at], column.text(row));
    });
  }
}

/** A cell with a link as its text. */
export function linkCell(cell, address, text, name = "name") {
  let anchor = cell.firstChild;
  if (!anchor) cell.append(anchor = h("a", { class: name }));
  if (anchor.getAttribute("href") !== address) anchor.setAttribute("href", address);
  setText(anchor, text);
}

/** A cell with one element that has a class and a text. */
export function spanCell(cell, name, text) {
  let inner = cell.firstChild;
  if (!inner) cell.append(inner = h("span"));
  if (inner.className !== name) inner.className = name;
  setText(inner, text);
}

/** A cell with a text and a small bar; `share` 0..1. */
export function meterCell(cell, name, share, text) {
  if (!cell.firstChild) cell.append(h("div", { class: "with-meter" }, h("div", { class: "meter" }, h("i")), h("span", { class: "num" })));
  const [meter, label] = cell.firstChild.children;
  if (meter.className !== `meter ${name}`) meter.className = `meter ${name}`;
  meter.firstChild.style.width = `${Math.round(Math.min(Math.max(share, 0), 1) * 100)}%`;
  setText(label, text);
}
