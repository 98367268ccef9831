// What is shown and in which order: the state (which lives in the address), filters and sorting. Knows nothing of the page.

// The numbers that have a range filter: the parameters of the address, and the ends and decimals that the entries give them.
const RANGES = {
  score: { low: "low", high: "high" },
  p_value: { low: "p-low", high: "p-high" },
  expected_dice: { low: "expected-low", high: "expected-high" },
  dice: { low: "dice-low", high: "dice-high" },
};
for (const [name, range] of Object.entries(RANGES)) {
  range.label = prettyName(name);
  range.values = SCORED.map((row) => row[name]).filter(isKnown);
  if (!range.values.length && name !== "score") { delete RANGES[name]; continue; }
  const ends = range.values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  [range.from, range.to] = range.values.length ? ends : [0, 1];
  range.span = range.to - range.from || 1;
  // All with the same number of decimals: three digits of the range that they span.
  range.decimals = Math.min(8, Math.max(0, 3 - Math.round(Math.log10(range.span))));
}
const formatRange = (name, value) => (value === null ? "–" : value.toFixed(RANGES[name].decimals));
const formatScore = (score) => formatRange("score", score);

// The score of each volume whose slices are shown, as volumes.csv has it: the mean of its slices by their weights, or the plain one where none has any.
const VOLUMES = new Map();
for (const { volume, score, volume_weight: weight } of SCORED.filter((row) => row.volume)) {
  const sums = VOLUMES.get(volume) ?? { weighted: 0, weight: 0, plain: 0, count: 0 };
  VOLUMES.set(volume, {
    weighted: sums.weighted + score * weight, weight: sums.weight + weight, plain: sums.plain + score, count: sums.count + 1,
  });
}
const volumeScore = ({ weighted, weight, plain, count }) => (weight > 0 ? weighted / weight : plain / count);

// The place of each text among all, in the order of a dictionary, found when first asked for: comparing texts takes long.
const byText = new Intl.Collator("en", { numeric: true }).compare;
function textOrder(textOf) {
  let places = null;
  return (row) => {
    places ??= new Map([...new Set(SCORED.map(textOf).filter(Boolean))].sort(byText).map((text, place) => [text, place]));
    return places.get(textOf(row)) ?? null;
  };
}

// Each order: how it is called, the number that it compares, and whether it starts descending.
const ORDERS = {
  score: { label: prettyName("score"), key: (row) => row.score, down: true },
  p_value: { label: prettyName("p_value"), key: (row) => row.p_value, down: false },
  expected: { label: prettyName("expected_dice"), key: (row) => row.expected_dice, down: false },
  object: { label: "Worst object", key: (row) => row.worst_object, down: true },
  suspects: { label: "Suspect and missed objects", key: (row) => (isKnown(row.suspect_objects) ? row.suspect_objects + (row.missed_objects ?? 0) : null), down: true },
  change: { label: prettyName("rank_change"), key: (row) => row.rank_change, down: true },
  volume: { label: prettyName("volume"), key: (row) => (VOLUMES.has(row.volume) ? volumeScore(VOLUMES.get(row.volume)) : null), down: true },
  random: { label: "Random (for calibration)", key: (row) => row.lot, down: false },
  id: { label: prettyName("id"), key: textOrder((row) => row.id), down: false },
  dice: { label: prettyName("dice"), key: (row) => row.dice, down: false },
  worst: { label: prettyName("worst_class"), key: textOrder((row) => row.worst_class), down: false },
};
if (!RANGES.p_value) delete ORDERS.p_value;
if (!RANGES.expected_dice) delete ORDERS.expected;
if (!some("worst_object")) delete ORDERS.object;
if (!some("suspect_objects")) delete ORDERS.suspects;
if (!HAS.compared) delete ORDERS.change;
if (!HAS.dice) delete ORDERS.dice;
if (!VOLUMES.size) delete ORDERS.volume;

const CLASS_MODES = {
  predicted: { label: "Predicted", classesOf: (row) => row.classes },
  worst: { label: "Worst", classesOf: (row) => (row.worst_class ? [row.worst_class] : []) },
  expected: { label: "Expected", classesOf: (row) => (row.expected_class ? [row.expected_class] : []) },
};
if (!HAS.expected) delete CLASS_MODES.expected;

const STATUSES = { all: "All", ok: "Scored", error: "Errors" };
const VERDICTS = { accept: "Accepted", reject: "Rejected", unsure: "Unsure" };
const REVIEW_FILTERS = { all: "All", todo: "To do", ...VERDICTS };
const DECISIONS = ["fail", "review", "pass"].filter((name) => SCORED.some((row) => row.decision === name));

const DEFAULTS = Object.freeze({
  sort: "score", down: true, query: "", status: "all", review: "all", ranges: Object.freeze({}), mode: "predicted",
  classes: Object.freeze([]), decisions: Object.freeze([]), sample: false,
  overlay: true, truth: false, heat: false, box: true, opacity: 50, plot: false, single: null, open: null,
});
const FILTERS = ["query", "status", "review", "ranges", "classes", "decisions"];
const FLAGS = ["sample", "overlay", "truth", "heat", "box", "plot", "single"];

// A number of the address, or null. Number("") would be 0.
function parseNumber(text) {
  return text !== null && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
}

// The address may come from anywhere: whatever is not a known choice falls back to its default.
function stateFromHash(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const choice = (name, options, otherwise) => (Object.hasOwn(options, given.get(name) ?? "") ? given.get(name) : otherwise);
  const flags = Object.fromEntries(FLAGS.map((name) => [name, given.has(name) ? given.get(name) === "1" : DEFAULTS[name]]));
  const sort = choice("sort", ORDERS, DEFAULTS.sort);
  const opacity = parseNumber(given.get("opacity"));
  const ranges = {};
  for (const [name, { low, high }] of Object.entries(RANGES)) {
    const ends = { low: parseNumber(given.get(low)), high: parseNumber(given.get(high)) };
    if (ends.low !== null || ends.high !== null) ranges[name] = ends;
  }
  return {
    sort,
    down: given.has("dir") ? given.get("dir") === "desc" : ORDERS[sort].down,
    query: given.get("q") ?? "",
    status: choice("status", STATUSES, DEFAULTS.status),
    review: choice("review", REVIEW_FILTERS, DEFAULTS.review),
    ranges,
    mode: choice("by", CLASS_MODES, DEFAULTS.mode),
    classes: given.getAll("class"),
    decisions: given.getAll("decision").filter((name) => DECISIONS.includes(name)),
    ...flags,
    truth: flags.truth && HAS.truth,
    heat: flags.heat && HAS.heat,
    opacity: opacity === null ? DEFAULTS.opacity : Math.min(100, Math.max(0, opacity)),
    open: given.get("open"),
  };
}

// Only what differs from the defaults is written, so that addresses stay short.
function hashFromState(state) {
  const out = new URLSearchParams();
  if (state.sort !== DEFAULTS.sort) out.set("sort", state.sort);
  if (state.down !== ORDERS[state.sort].down) out.set("dir", state.down ? "desc" : "asc");
  if (state.query) out.set("q", state.query);
  if (state.status !== DEFAULTS.status) out.set("status", state.status);
  if (state.review !== DEFAULTS.review) out.set("review", state.review);
  for (const [name, ends] of Object.entries(state.ranges)) {
    for (const end of ["low", "high"]) if (ends[end] !== null) out.set(RANGES[name][end], ends[end]);
  }
  if (state.mode !== DEFAULTS.mode) out.set("by", state.mode);
  for (const name of state.classes) out.append("class", name);
  for (const name of state.decisions) out.append("decision", name);
  for (const name of FLAGS) if (state[name] !== DEFAULTS[name]) out.set(name, state[name] ? "1" : "0");
  if (state.opacity !== DEFAULTS.opacity) out.set("opacity", state.opacity);
  if (state.open !== null) out.set("open", state.open);
  return out.toString();
}

function isFiltered(state) {
  return Boolean(state.query || Object.keys(state.ranges).length || state.classes.length || state.decisions.length ||
    state.status !== "all" || state.review !== "all");
}

// Rows that pass every filter but that of the status. With a range, class, decision or review filter on, rows that have no such thing are out.
function matching(rows, state, verdictOf) {
  const query = state.query.trim().toLowerCase();
  const wanted = new Set(state.classes);
  const { classesOf } = CLASS_MODES[state.mode];
  const ranges = Object.entries(state.ranges);
  const inside = (value, { low, high }) => isKnown(value) && (low === null || value >= low) && (high === null || value <= high);
  const reviewed = (row) => row.status === "ok" && (verdictOf(row.id) ?? "todo") === state.review;
  return rows.filter((row) =>
    (!query || row.searched.includes(query)) &&
    ranges.every(([name, ends]) => inside(row[name], ends)) &&
    (state.review === "all" || reviewed(row)) &&
    (!state.decisions.length || state.decisions.includes(row.decision)) &&
    (!wanted.size || classesOf(row).some((name) => wanted.has(name))));
}

// Missing values go last whatever the direction; ties keep the order of the ranking. The order of all rows is kept until another is asked for.
let lastOrder = { name: null, places: null };

function placesOf(state) {
  const name = `${state.sort} ${state.down}`;
  if (lastOrder.name === name) return lastOrder.places;
  const { key } = ORDERS[state.sort];
  const sign = state.down ? -1 : 1;
  const keyed = SCORED.map((row) => ({ row, value: key(row) ?? null }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.row.index - b.row.index;
    return sign * (a.value - b.value) || a.row.index - b.row.index;
  });
  lastOrder = { name, places: keyed.map(({ row }) => row) };
  return lastOrder.places;
}

const shownRows = (state, verdictOf) => (state.status === "error" ? [] : matching(placesOf(state), state, verdictOf));
