// What the server sends, made ready to be asked. All of it is pure.

// STATES are what numbers are, in the order of the legend. The mark is the class that draws the shape.
export const STATES = [
  { id: "use", mark: "bound", text: "in use", always: true },
  { id: "idle", mark: "idle", text: "idle", about: "in use, and nobody has been there for long" },
  { id: "pending", mark: "pending", text: "being created" },
  { id: "held", mark: "held", text: "held", always: true, about: "kept for a Service that has gone, for a while" },
  { id: "reserved", mark: "reserved", text: "reserved", always: true, about: "kept by a reservation" },
  { id: "trouble", mark: "trouble", text: "in trouble", always: true, about: "in use, and others use it too" },
  { id: "clashing", mark: "clashing", text: "clashing", always: true, about: "nobody's, and not handed out: something else uses it on a node" },
  { id: "free", mark: "free", text: "free", always: true },
  { id: "open", mark: "open", text: "free, in no pool" },
  { id: "unknown", mark: "unknown", text: "not yours to see" },
];

const HUES = 5; // as many as style.css has

const BY_STATE = { Pending: "pending", Held: "held", Reserved: "reserved", Clashing: "clashing", Unknown: "unknown" };

// chartOf is a model with an entry for each number of the range, and lookups.
export function chartOf(model) {
  const listed = new Map(model.numbers.map((number) => [number.n, number]));
  const numbers = [];
  for (const span of model.spans) {
    for (let n = span.from; n <= span.to; n++) numbers.push(entryOf(model, listed.get(n) ?? { n, state: model.rest }, span.pool));
  }
  const outside = model.numbers.filter((number) => number.n < model.from || number.n > model.to).map((number) => entryOf(model, number, -1));
  return {
    ...model,
    numbers,
    outside,
    at: (n) => numbers[n - model.from] ?? outside.find((entry) => entry.n === n),
    namespaces: [...new Set([...numbers, ...outside].map((entry) => entry.ns).filter(Boolean))].sort(),
    counts: countsOf(numbers),
  };
}

function entryOf(model, number, place) {
  const pool = model.pools[place];
  const named = Boolean(pool?.name);
  const entry = { ...number, place, pool: pool?.name ?? "", hue: named ? `hue-${place % HUES}` : "hue-none" };
  entry.kind = kindOf(number, named);
  entry.taken = !["free", "open", "unknown"].includes(entry.kind);
  entry.words = [number.n, number.ns, number.svc, number.ns && `${number.ns}/${number.svc}`, entry.pool, ...(number.others ?? [])]
    .filter(Boolean).join(" ").toLowerCase();
  entry.from = number.taken; // the pool that it was taken from
  return entry;
}

function kindOf(number, named) {
  if (number.trouble) return "trouble";
  if (number.state === "InUse" || number.state === "Conflict") return number.idle ? "idle" : "use";
  return BY_STATE[number.state] ?? (named ? "free" : "open");
}

// is says whether an entry is of a kind of the legend: what is idle or in trouble is in use, too.
function is(entry, kind) {
  return entry.kind === kind || (kind === "use" && (entry.kind === "idle" || entry.kind === "trouble"));
}

function countsOf(numbers) {
  const counts = {};
  for (const { id } of STATES) counts[id] = numbers.reduce((sum, entry) => sum + (is(entry, id) ? 1 : 0), 0);
  return counts;
}

// filtering says whether a filter leaves anything out.
export function filtering(filter) {
  return filter.kinds.length > 0 || filter.namespace !== "" || filter.pool !== null || filter.text.trim() !== "";
}

// matches says whether an entry passes a filter: each of the words searched for is somewhere in it.
export function matches(entry, filter) {
  return (filter.kinds.length === 0 || filter.kinds.some((kind) => is(entry, kind)))
    && (filter.namespace === "" || entry.ns === filter.namespace)
    && (filter.pool === null || entry.pool === filter.pool)
    && filter.text.toLowerCase().split(/\s+/).every((word) => entry.words.includes(word));
}

// stateText is an entry's state in words.
export function stateText(entry) {
  return entry.place < 0 && !entry.svc ? "outside of the range" : STATES.find((state) => state.id === entry.kind).text;
}

export function owner(entry) {
  return entry.svc ? `${entry.ns}/${entry.svc}` : "";
}

// label is an entry in words, for those who do not see the map.
export function label(entry, chart) {
  const parts = [String(entry.n), stateText(entry)];
  if (owner(entry)) parts.push(owner(entry));
  parts.push(entry.pool ? `pool ${entry.pool}` : chart.rest === "Free" ? "no pool" : "");
  if (entry.others) parts.push(`also ${entry.others.join(", ")}`);
  return parts.filter(Boolean).join(", ");
}

// age is how long ago a time is, as kubectl has it.
export function age(time, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${seconds}s`;
}
