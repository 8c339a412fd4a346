// What stands beside the map: the legend, the pools, the story of a number, and a list of numbers.

import { STATES, age, owner, stateText } from "./chart.js";
import { $, h } from "./dom.js";

const MOST = 100; // rows of the list

const thousands = new Intl.NumberFormat("en").format;

// swatch is a cell as the map draws it.
const swatch = (kind, hue) => h("span", { class: `cell swatch ${kind} ${hue}`, "aria-hidden": "true" });

export function drawLegend(chart, filter, toggle) {
  const focused = document.activeElement?.dataset?.kind;
  $("legend").replaceChildren(...STATES.filter((state) => state.always || chart.counts[state.id] > 0).map((state) =>
    h("button", {
      type: "button", class: `state is-${state.id}`, "data-kind": state.id, title: state.about ?? null,
      "aria-pressed": String(filter.kinds.includes(state.id)), "data-none": chart.counts[state.id] === 0,
      on: { click: () => toggle(state.id) },
    },
    swatch(state.id, "hue-ink"),
    h("span", { class: "count" }, thousands(chart.counts[state.id])), h("span", { class: "text" }, state.text))));
  if (focused) $("legend").querySelector(`[data-kind=${focused}]`)?.focus();
}

const nameOf = (pool, chart) => pool.name || (chart.rest === "Free" ? "no pool" : "others");

export function drawPools(chart, filter, fullestFirst, toggle) {
  const focused = document.activeElement?.dataset?.pool;
  const fullness = (pool) => (pool.total === 0 ? -1 : (pool.total - pool.free - pool.unknown) / pool.total);
  const pools = chart.pools.map((pool, place) => ({ ...pool, place })).filter((pool) => pool.name || pool.total > 0);
  $("sort").hidden = pools.length < 2;
  if (fullestFirst) pools.sort((a, b) => fullness(b) - fullness(a));
  $("pools").querySelector("ul").replaceChildren(...pools.map((pool) => h("li", {}, poolButton(pool, chart, filter, toggle))));
  if (focused !== undefined) $("pools").querySelector(`[data-pool="${CSS.escape(focused)}"]`)?.focus();
}

function poolButton(pool, chart, filter, toggle) {
  const hue = pool.name ? `hue-${pool.place % 5}` : "hue-none";
  const taken = pool.bound + pool.kept + pool.clashing;
  const full = pool.name && pool.total > 0 && pool.free === 0 && pool.unknown === 0;
  const words = [`${pool.bound} of ${pool.total} in use`, pool.kept && `${pool.kept} kept`, pool.clashing && `${pool.clashing} clashing`,
    pool.trouble && `${pool.trouble} in trouble`, pool.unknown && `${pool.unknown} not yours to see`, `${pool.free} free`].filter(Boolean).join(", ");
  return h("button", {
    type: "button", class: `pool ${hue}`, "data-pool": pool.name, "aria-pressed": String(filter.pool === pool.name),
    title: `${pool.ranges || "no numbers"}\n${words}`,
    on: { click: () => toggle(pool.name) },
  },
  h("span", { class: "name" }, nameOf(pool, chart)),
  bar(pool, hue),
  h("span", { class: "figure" }, full ? h("b", { class: "tag" }, "full") : null,
    ` ${thousands(taken)}`, h("span", { class: "of" }, ` / ${thousands(pool.total)}`), h("span", { class: "unseen" }, `: ${words}`)),
  pool.note ? h("span", { class: "note alarm" }, `! ${pool.note}`) : null);
}

// bar is how full a pool is. What there is any of can be seen.
function bar(pool, hue) {
  const parts = [["use", pool.bound - pool.trouble], ["trouble", pool.trouble], ["held", pool.kept], ["clashing", pool.clashing], ["unknown", pool.unknown],
    [pool.name ? "free" : "open", pool.free]];
  const element = h("span", { class: "bar", "aria-hidden": "true" });
  for (const [kind, count] of parts.filter(([, count]) => count > 0)) {
    const part = h("span", { class: `cell ${kind} ${hue}` });
    part.style.flexGrow = count;
    element.append(part);
  }
  return element;
}

export function drawStory(entry, told, trouble, close) {
  const title = h("h2", { id: "story-title" }, entry ? swatch(entry.kind, entry.hue) : null, String(told?.nodePort ?? entry?.n ?? ""));
  const head = h("div", { class: "head" }, title, h("button", { type: "button", class: "quiet", "aria-label": "Close the story", on: { click: close } }, "✕"));
  const body = [];
  if (trouble) body.push(h("p", { class: "wrong" }, trouble));
  if (told) {
    body.push(h("p", { class: "summary" }, told.summary.replace(/^\d+ /, (number) => number)));
    body.push(h("dl", {}, ...(told.facts ?? []).map((fact) => h("div", { class: fact.trouble ? "fact wrong" : "fact" },
      h("dt", {}, fact.trouble ? "! " : "", fact.about), ...fact.says.map((says) => h("dd", {}, says))))));
  }
  $("story").replaceChildren(head, ...body);
  $("story").hidden = false;
}

// drawList lists what matches or, without a filter, what is in trouble.
export function drawList(chart, entries, filtered, now, open) {
  const section = $("list");
  const focused = document.activeElement?.dataset?.row;
  section.hidden = !filtered && entries.length === 0;
  $("list-title").replaceChildren(filtered ? "Matches" : "Needs a look", " ", h("span", { class: "of" }, thousands(entries.length)));
  const head = h("tr", {}, ...["Number", "State", "Service", "Pool", "Since", "Last traffic", filtered ? null : "Also used by"].filter(Boolean).map((text) => h("th", { scope: "col" }, text)));
  const rows = entries.slice(0, MOST).map((entry) => row(entry, chart, filtered, now, open));
  const table = section.querySelector("table");
  table.replaceChildren(h("thead", {}, head), h("tbody", {}, ...rows));
  table.hidden = rows.length === 0;
  section.querySelector(".more").textContent = entries.length > MOST ? `and ${thousands(entries.length - MOST)} more` : "";
  if (focused) section.querySelector(`[data-row="${focused}"]`)?.focus();
}

// One that has ended is there until the leader gives it up.
function heldFor(until, now) {
  const end = Date.parse(until);
  return end > now ? `for ${age(new Date(2 * now - end), now)} more` : `ended ${age(until, now)} ago`;
}

function row(entry, chart, filtered, now, open) {
  const cells = [
    h("button", { type: "button", class: "link", "data-row": entry.n, on: { click: () => open(entry.n) } }, String(entry.n)),
    h("span", { class: "with-swatch" }, swatch(entry.kind, entry.hue), stateText(entry)),
    owner(entry), entry.pool || "–",
    entry.since ? age(entry.since, now) : entry.until ? heldFor(entry.until, now) : "–",
    entry.last ? `${age(entry.last, now)} ago` : "–",
  ];
  if (!filtered) cells.push((entry.others ?? []).join(", "));
  return h("tr", {}, ...cells.map((cell) => h("td", {}, cell)));
}
