// The page: what is shown, what is chosen, and what keys and the server do to both.

import { chartOf, filtering, label, matches, owner, stateText } from "./chart.js";
import { $, h, say } from "./dom.js";
import { Grid } from "./grid.js";
import { drawLegend, drawList, drawPools, drawStory } from "./panels.js";

const filter = { text: "", namespace: "", pool: null, kinds: [] };
let chart = null; // what the server has sent last
let clock = { now: Date.now(), at: performance.now() }; // the server's, and when it was that
let opened = null; // the number whose story is open
let fullestFirst = false;
let behind = null; // since when what is shown may be out of date; null: it is not

const now = () => clock.now + performance.now() - clock.at;

const grid = new Grid($("grid"), { point: readout, open: (n) => openStory(n, true), moved: (n) => opened && follow(n) });

// --- what the server sends

const events = new EventSource("events");
events.addEventListener("snapshot", (event) => {
  const snapshot = JSON.parse(event.data);
  clock = { now: Date.parse(snapshot.now), at: performance.now() };
  live(snapshot.stale ? "stale" : "live", snapshot.stale);
  show(chartOf(snapshot.model));
});
events.addEventListener("error", () => live("away", "The page has lost kubectl portolan ui: start it again, and open the address that it prints. What is shown is as it was last."));

fetch("about").then((response) => response.json()).then((about) => {
  $("context").textContent = about.context;
  document.title = about.context ? `Node ports of ${about.context}` : "Node ports";
});

function live(state, trouble) {
  behind = trouble ? behind ?? new Date().toLocaleTimeString() : null;
  $("live").dataset.state = state;
  $("live").textContent = { live: "live", stale: "out of date", away: "ended" }[state];
  banner("live", trouble ? h("p", { class: "banner wrong", role: "alert" }, h("b", {}, `Not up to date since ${behind}. `), trouble) : null);
}

const banners = new Map();
function banner(about, element) {
  if (banners.get(about)?.textContent === element?.textContent) return;
  element ? banners.set(about, element) : banners.delete(about);
  $("banners").replaceChildren(...banners.values());
}

function show(next) {
  const before = chart;
  chart = next;
  const changed = grid.show(chart);
  if (before && changed.length > 0) {
    grid.flash(changed);
    say(changed.length > 3 ? `${changed.length} numbers have changed` : changed.map((entry) => `Now ${label(entry, chart)}`).join("; "));
  }
  $("range").textContent = `${chart.from}–${chart.to}`;
  $("range").title = chart.assumed ? "Kubernetes' usual range: if the API server has another, say which by --service-node-port-range" : "";
  const empty = chart.pools.length < 2 && !chart.numbers.some((entry) => entry.taken) && chart.rest === "Free";
  banner("empty", empty ? h("p", { class: "banner" }, h("b", {}, "There is no pool, and no Service has a node port. "),
    "To give a team a range of its own, apply a NodePortPool: ", h("code", {}, "kubectl explain npp.spec"), " says what it may say.") : null);
  banner("gaps", chart.gaps ? h("p", { class: "banner" }, h("b", {}, "You do not see everything. "), chart.gaps) : null);
  choices();
  drawOutside();
  refresh();
  readout(grid.pointed ?? null);
  if (opened && (changed.some((entry) => entry.n === opened) || !before)) tell(opened);
}

// --- filters

function choices() {
  options($("namespace"), "all", chart.namespaces.map((name) => [name, name]), filter.namespace);
  const rest = chart.rest === "Free" ? "(no pool)" : "(others)";
  options($("pool"), "all", chart.pools.filter((pool) => pool.name || pool.total > 0).map((pool) => [`=${pool.name}`, pool.name || rest]), filter.pool === null ? "" : `=${filter.pool}`);
}

function options(select, all, values, chosen) {
  const wanted = JSON.stringify(values);
  if (select.dataset.values !== wanted) {
    select.dataset.values = wanted;
    select.replaceChildren(h("option", { value: "" }, all), ...values.map(([value, text]) => h("option", { value }, text)));
  }
  select.value = chosen;
}

// refresh draws what depends on the filter.
function refresh() {
  if (!chart) return;
  const on = filtering(filter);
  const found = on ? [...chart.numbers, ...chart.outside].filter((entry) => matches(entry, filter)) : [];
  grid.filter(on ? (entry) => matches(entry, filter) : null);
  $("clear").hidden = !on;
  $("found").textContent = found.length === 1 ? "1 match" : `${found.length} matches`;
  drawLegend(chart, filter, (kind) => change(() => { filter.kinds = toggled(filter.kinds, kind); }));
  drawPools(chart, filter, fullestFirst, (name) => change(() => { filter.pool = filter.pool === name ? null : name; }));
  drawList(chart, on ? found : chart.numbers.filter((entry) => entry.kind === "trouble"), on, now(), (n) => openStory(n, true));
}

function toggled(kinds, kind) {
  return kinds.includes(kind) ? kinds.filter((other) => other !== kind) : [...kinds, kind];
}

// change changes the filter, and says what that leaves.
function change(act) {
  act();
  if (!chart) return;
  choices();
  refresh();
  say(filtering(filter) ? $("found").textContent : "All numbers are shown");
}

function clear() {
  change(() => Object.assign(filter, { text: "", namespace: "", pool: null, kinds: [] }));
  $("search").value = "";
}

$("search").addEventListener("input", () => change(() => { filter.text = $("search").value; }));
$("namespace").addEventListener("change", () => change(() => { filter.namespace = $("namespace").value; }));
$("pool").addEventListener("change", () => change(() => { filter.pool = $("pool").value === "" ? null : $("pool").value.slice(1); }));
$("clear").addEventListener("click", () => { clear(); $("search").focus(); });
document.querySelector(".filters").addEventListener("submit", (event) => {
  event.preventDefault();
  toFirst();
});
$("sort").addEventListener("click", () => {
  fullestFirst = !fullestFirst;
  $("sort").setAttribute("aria-pressed", String(fullestFirst));
  refresh();
});

function toFirst() {
  const first = chart?.numbers.find((entry) => filtering(filter) && matches(entry, filter));
  if (first) grid.focus(first.n);
}

// --- numbers

function readout(n) {
  grid.pointed = n;
  const entry = chart && (chart.at(n) ?? chart.at(opened));
  $("readout").replaceChildren(...(entry ? [h("b", {}, String(entry.n)), ` ${stateText(entry)}`, owner(entry) ? ` · ${owner(entry)}` : "",
    entry.pool ? ` · pool ${entry.pool}` : ""] : ["The shape says which state, the colour which pool. Choose a number for its story."]));
}

function drawOutside() {
  $("outside").hidden = chart.outside.length === 0;
  $("outside").replaceChildren("Outside of the range: ", ...chart.outside.flatMap((entry) => [
    h("button", { type: "button", class: "link", on: { click: () => openStory(entry.n, true) } }, String(entry.n)), ` ${owner(entry)} `]));
}

// openStory shows a number's story; withFocus it is where one reads on.
async function openStory(n, withFocus) {
  opened = n;
  grid.select(n);
  drawStory(chart.at(n), null, null, closeStory);
  grid.reveal(n);
  if (withFocus) $("story").focus({ preventScroll: true });
  await tell(n);
}

async function tell(n) {
  let told = null, trouble = null;
  try {
    const response = await fetch(`story/${n}`);
    response.ok ? told = await response.json() : trouble = await response.text();
  } catch {
    trouble = "kubectl portolan ui does not answer.";
  }
  if (opened === n) drawStory(chart.at(n), told, trouble, closeStory);
}

// follow has the story keep up with who moves on the map, when he rests.
let resting = 0;
function follow(n) {
  clearTimeout(resting);
  resting = setTimeout(() => openStory(n, false), 120);
}

function closeStory() {
  clearTimeout(resting);
  $("story").hidden = true;
  const n = opened;
  opened = null;
  grid.select(null);
  grid.focus(n);
}

// --- keys, and light and dark

document.addEventListener("keydown", (event) => {
  const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("search").focus();
    $("search").select();
  } else if (event.key === "Escape") {
    if (opened && event.target !== $("search")) closeStory();
    else if (filtering(filter)) clear();
    else if (typing) grid.focus(grid.current);
  } else if (event.key === "ArrowDown" && event.target === $("search")) {
    event.preventDefault();
    filtering(filter) ? toFirst() : grid.focus(grid.current);
  }
});

const THEMES = ["auto", "light", "dark"];
function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[name];
  $("theme").setAttribute("aria-label", `Colours: ${name}. Change`);
  localStorage.setItem("theme", name);
}
$("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]));
theme(THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");
