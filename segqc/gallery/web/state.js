// What is shown and in which order: the entries, the state (which lives in the address), filters and sorting. Knows nothing of the page.

// A number that looks random and is the same at every visit (FNV-1a, mixed): the order in which a fair sample is reviewed.
function lotOf(id) {
  let lot = 0x811c9dc5;
  for (const letter of id) lot = Math.imul(lot ^ letter.codePointAt(0), 0x01000193);
  return Math.imul(lot ^ (lot >>> 15), 0x2c1b3c6d) >>> 0;
}

const DATA = JSON.parse(document.getElementById("rows").textContent);
const ROWS = DATA.rows.map((row, index) => ({ ...row, index, lot: lotOf(row.id) }));
const SCORED = ROWS.filter((row) => row.status === "ok");
const FAILED = ROWS.filter((row) => row.status !== "ok");
const some = (name) => SCORED.some((row) => row[name] !== null && row[name] !== undefined && row[name] !== "");
const HAS = {
  truth: ROWS.some((row) => row.layers.includes("truth")),
  heat: ROWS.some((row) => row.layers.includes("heat")),
  dice: some("dice"),
  expected: some("expected_class"),
  decision: some("decision"),
  compared: some("rank_change"),
};

// The numbers that have a range filter: their words, the parameters of the address, and the ends and decimals that the entries give them.
const RANGES = {
  score: { label: "Score", lowest: "Lowest score shown", highest: "Highest score shown", low: "low", high: "high" },
  p_value: { label: "p-value", lowest: "Lowest p-value shown", highest: "Highest p-value shown", low: "p-low", high: "p-high" },
  expected_dice: {
    label: "Expected Dice", lowest: "Lowest expected Dice shown", highest: "Highest expected Dice shown",
    low: "expected-low", high: "expected-high",
  },
  dice: { label: "Dice", lowest: "Lowest Dice shown", highest: "Highest Dice shown", low: "dice-low", high: "dice-high" },
};
for (const [name, range] of Object.entries(RANGES)) {
  range.values = SCORED.map((row) => row[name]).filter((value) => value !== null && value !== undefined);
  if (!range.values.length && name !== "score") { delete RANGES[name]; continue; }
  const ends = range.values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  [range.from, range.to] = range.values.length ? ends : [0, 1];
  range.span = range.to - range.from || 1;
  // All with the same number of decimals: three digits of the range that they span.
  range.decimals = Math.min(8, Math.max(0, 3 - Math.round(Math.log10(range.span))));
}

// The score of each volume whose slices are shown, as volumes.csv has it: the mean of its slices by their weights, or the plain one where none has any.
const VOLUMES = new Map();
for (const { volume, score, volume_weight: weight } of SCORED.filter((row) => row.volume)) {
  const sums = VOLUMES.get(volume) ?? { weighted: 0, weight: 0, plain: 0, count: 0 };
  VOLUMES.set(volume, {
    weighted: sums.weighted + score * weight, weight: sums.weight + weight, plain: sums.plain + score, count: sums.count + 1,
  });
}
const volumeScore = ({ weighted, weight, plain, count }) => (weight > 0 ? weighted / weight : plain / count);

// Each order: how it is called, what it compares, and whether it starts descending.
const byText = new Intl.Collator("en", { numeric: true }).compare;
const ORDERS = {
  score: { label: "Score", key: (row) => row.score, down: true },
  p_value: { label: "p-value", key: (row) => row.p_value, down: false },
  expected: { label: "Expected Dice", key: (row) => row.expected_dice, down: false },
  change: { label: "Rank change", key: (row) => row.rank_change, down: true },
  volume: { label: "Volume", key: (row) => (VOLUMES.has(row.volume) ? volumeScore(VOLUMES.get(row.volume)) : null), down: true },
  random: { label: "Random (for calibration)", key: (row) => row.lot, down: false },
  id: { label: "Id", key: (row) => row.id, down: false },
  dice: { label: "Dice", key: (row) => row.dice, down: false },
  worst: { label: "Worst class", key: (row) => row.worst_class || null, down: false },
};
if (!RANGES.p_value) delete ORDERS.p_value;
if (!RANGES.expected_dice) delete ORDERS.expected;
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
  classes: Object.freeze([]), decisions: Object.freeze([]),
  overlay: true, truth: false, heat: false, box: true, opacity: 60, plot: false, open: null,
});
const FILTERS = ["query", "status", "review", "ranges", "classes", "decisions"];

// A number of the address, or null. Number("") would be 0.
function parseNumber(text) {
  return text !== null && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
}

// The address may come from anywhere: whatever is not a known choice falls back to its default.
function stateFromHash(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const choice = (name, options, otherwise) => (Object.hasOwn(options, given.get(name) ?? "") ? given.get(name) : otherwise);
  const flag = (name) => (given.has(name) ? given.get(name) === "1" : DEFAULTS[name]);
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
    overlay: flag("overlay"), truth: flag("truth") && HAS.truth, heat: flag("heat") && HAS.heat, box: flag("box"), plot: flag("plot"),
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
  for (const name of ["overlay", "truth", "heat", "box", "plot"]) {
    if (state[name] !== DEFAULTS[name]) out.set(name, state[name] ? "1" : "0");
  }
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
  const inside = (value, { low, high }) =>
    value !== null && value !== undefined && (low === null || value >= low) && (high === null || value <= high);
  const reviewed = (row) => row.status === "ok" && (verdictOf(row.id) ?? "todo") === state.review;
  return rows.filter((row) =>
    (!query || row.id.toLowerCase().includes(query)) &&
    ranges.every(([name, ends]) => inside(row[name], ends)) &&
    (state.review === "all" || reviewed(row)) &&
    (!state.decisions.length || state.decisions.includes(row.decision)) &&
    (!wanted.size || classesOf(row).some((name) => wanted.has(name))));
}

// Missing values go last whatever the direction; ties keep the order of the ranking.
function sorted(rows, state) {
  const { key } = ORDERS[state.sort];
  const sign = state.down ? -1 : 1;
  const compare = (a, b) => (typeof a === "string" ? byText(a, b) : a - b);
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
    return sign * compare(x, y) || a.index - b.index;
  });
}

const formatRange = (name, value) => (value === null ? "–" : value.toFixed(RANGES[name].decimals));
const formatScore = (score) => formatRange("score", score);
const formatDice = (dice) => (dice === null ? "–" : dice.toFixed(3));
const formatNumber = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4))));
// How many places nearer to the worst: "↑3", "↓12", "=".
const formatChange = (change) => (change > 0 ? `↑${formatNumber(change)}` : change < 0 ? `↓${formatNumber(-change)}` : "=");
