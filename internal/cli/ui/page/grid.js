// The map: a grid in which one cell can be reached by Tab, and the others from there by arrow keys
// (https://www.w3.org/WAI/ARIA/apg/patterns/grid/).

import { label } from "./chart.js";
import { h } from "./dom.js";

const GROUP = 10;

// How many numbers there are in a row, by the least width of the map in pixels.
const LAYOUTS = [[880, 100], [430, 50], [0, 20]];

export class Grid {
  // act: {point(n), open(n), close()}: what happens when a number is pointed at or moved to, and is chosen.
  constructor(root, act) {
    this.root = root;
    this.act = act;
    this.cells = new Map();
    this.current = null;
    root.addEventListener("click", (event) => this.at(event, (n) => { this.focus(n); act.open(n); }));
    root.addEventListener("pointerover", (event) => this.at(event, act.point));
    root.addEventListener("pointerleave", () => act.point(null));
    root.addEventListener("focusin", (event) => this.at(event, (n) => { this.rove(n); act.point(n); }));
    root.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.layout()).observe(root);
  }

  at(event, act) {
    const n = Number(event.target.closest?.("[data-n]")?.dataset.n);
    if (n) act(n);
  }

  // show draws a chart, and returns the entries that are not as before.
  show(chart) {
    const before = this.chart;
    this.chart = chart;
    if (!before || before.from !== chart.from || before.to !== chart.to) {
      this.columns = 0;
      this.layout();
      return [];
    }
    return chart.numbers.filter((entry) => this.paint(entry));
  }

  // layout builds rows as wide as there is room for.
  layout() {
    if (!this.chart) return;
    const columns = LAYOUTS.find(([width]) => this.root.clientWidth >= width)[1];
    if (columns === this.columns) return;
    this.columns = columns;
    const held = this.root.contains(document.activeElement) && document.activeElement !== this.root;
    const first = this.chart.from - (this.chart.from % columns);
    const rows = [h("div", { class: "row ruler", "aria-hidden": "true" }, h("span", { class: "row-number" }),
      ...Array.from({ length: columns / GROUP }, (_, i) => h("span", { class: "group" }, `+${i * GROUP}`)))];
    this.cells.clear();
    for (let base = first; base <= this.chart.to; base += columns) rows.push(this.row(base, (base - first) / columns));
    this.root.setAttribute("aria-rowcount", rows.length - 1);
    this.root.setAttribute("aria-colcount", columns);
    this.root.dataset.columns = columns;
    this.root.replaceChildren(...rows);
    for (const entry of this.chart.numbers) this.paint(entry);
    this.filter(this.match);
    this.select(this.selected);
    this.reveal(this.selected);
    this.rove(this.current ?? this.chart.from);
    if (held) this.focus(this.current);
  }

  row(base, index) {
    const groups = [];
    for (let start = base; start < base + this.columns; start += GROUP) {
      const group = h("div", { class: "group", role: "none" });
      for (let n = start; n < start + GROUP; n++) {
        const inside = n >= this.chart.from && n <= this.chart.to;
        const cell = inside ? h("div", { role: "gridcell", tabindex: "-1", "data-n": n, "aria-colindex": n - base + 1 }) : h("div", { class: "void", role: "none" });
        if (inside) this.cells.set(n, cell);
        group.append(cell);
      }
      groups.push(group);
    }
    return h("div", { class: "row", role: "row", "aria-rowindex": index + 1 }, h("span", { class: "row-number", "aria-hidden": "true" }, String(base)), ...groups);
  }

  // paint returns whether the cell has changed.
  paint(entry) {
    const cell = this.cells.get(entry.n);
    const text = label(entry, this.chart);
    const look = `cell ${entry.kind} ${entry.hue}`;
    const kept = [...cell.classList].filter((name) => name === "dim" || name === "selected");
    if (cell.dataset.look === look && cell.getAttribute("aria-label") === text) return false;
    cell.dataset.look = look;
    cell.className = [look, ...kept].join(" ");
    cell.setAttribute("aria-label", text);
    return true;
  }

  // filter dims all that do not match; null: nothing.
  filter(match) {
    this.match = match;
    for (const entry of this.chart?.numbers ?? []) {
      this.cells.get(entry.n).classList.toggle("dim", Boolean(match) && !match(entry));
    }
  }

  flash(entries) {
    for (const { n } of entries) {
      this.cells.get(n).animate?.([{ outline: "3px solid currentColor", outlineOffset: "2px" }, { outline: "3px solid transparent", outlineOffset: "6px" }],
        { duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 1200 });
    }
  }

  select(n) {
    this.cells.get(this.selected)?.classList.remove("selected");
    this.cells.get(this.selected)?.removeAttribute("aria-selected");
    this.selected = n;
    this.cells.get(n)?.classList.add("selected");
    this.cells.get(n)?.setAttribute("aria-selected", "true");
  }

  // reveal scrolls a number to where it can be seen: on narrow screens a story covers some of the map.
  reveal(n) {
    this.cells.get(n)?.scrollIntoView({ block: "nearest" });
  }

  rove(n) {
    this.cells.get(this.current)?.setAttribute("tabindex", "-1");
    this.current = n;
    this.cells.get(n)?.setAttribute("tabindex", "0");
  }

  focus(n) {
    this.cells.get(n)?.focus();
  }

  // next is the nearest number before or after one that matches, or with no filter is taken; undefined: there is none.
  next(n, step) {
    const wanted = this.match ?? ((entry) => entry.taken);
    for (let at = n + step; this.cells.has(at); at += step) {
      if (wanted(this.chart.at(at))) return at;
    }
    return undefined;
  }

  key(event) {
    if (event.altKey || event.metaKey || this.current === null) return;
    const n = this.current, { from, to } = this.chart, base = n - (n % this.columns);
    const moves = {
      ArrowLeft: n - 1, ArrowRight: n + 1, ArrowUp: n - this.columns, ArrowDown: n + this.columns,
      PageUp: n - 5 * this.columns, PageDown: n + 5 * this.columns,
      Home: event.ctrlKey ? from : Math.max(from, base), End: event.ctrlKey ? to : Math.min(to, base + this.columns - 1),
      n: this.next(n, 1), p: this.next(n, -1),
    };
    if (event.key === "Enter" || event.key === " ") {
      this.act.open(n);
    } else if (event.key in moves) {
      if (this.cells.has(moves[event.key])) {
        this.focus(moves[event.key]);
        this.act.moved(moves[event.key]);
      }
    } else {
      return;
    }
    event.preventDefault();
  }
}
