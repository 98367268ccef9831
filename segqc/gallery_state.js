// What is shown and in which order: the entries, the state (which lives in the address), filters and sorting. Knows nothing of the page.

const DATA = JSON.parse(document.getElementById("rows").textContent);
const ROWS = DATA.rows.map((row, index) => ({ ...row, index }));
const SCORED = ROWS.filter((row) => row.status === "ok");
const FAILED = ROWS.filter((row) => row.status !== "ok");
const HAS = {
  truth: ROWS.some((row) => row.layers.includes("truth")),
  heat: ROWS.some((row) => row.layers.includes("heat")),
  dice: ROWS.some((row) => row.dice !== null),
  expected: ROWS.some((row) => row.expected_class),
};
const SCORES = SCORED.map((row) => row.score).filter((score) => score !== null);
const RANGE = { low: Math.min(...SCORES, Infinity), high: Math.max(...SCORES, -Infinity) };
if (RANGE.low > RANGE.high) Object.assign(RANGE, { low: 0, high: 1 });

// Each order: how it is called, what it compares, and whether it starts descending.
const byText = new Intl.Collator("en", { numeric: true }).compare;
const ORDERS = {
  score: { label: "Score", key: (row) => row.score, down: true },
  id: { label: "Id", key: (row) => row.id, down: false },
  dice: { label: "Dice", key: (row) => row.dice, down: false },
  worst: { label: "Worst class", key: (row) => row.worst_class || null, down: false },
};
if (!HAS.dice) delete ORDERS.dice;

const CLASS_MODES = {
  predicted: { label: "Predicted", classesOf: (row) => row.classes },
  worst: { label: "Worst", classesOf: (row) => (row.worst_class ? [row.worst_class] : []) },
  expected: { label: "Expected", classesOf: (row) => (row.expected_class ? [row.expected_class] : []) },
};
if (!HAS.expected) delete CLASS_MODES.expected;

const STATUSES = { all: "All", ok: "Scored", error: "Errors" };

const DEFAULTS = Object.freeze({
  sort: "score", down: true, query: "", status: "all", low: null, high: null, mode: "predicted", classes: Object.freeze([]),
  overlay: true, truth: false, heat: false, box: true, opacity: 60, open: null,
});

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
  return {
    sort,
    down: given.has("dir") ? given.get("dir") === "desc" : ORDERS[sort].down,
    query: given.get("q") ?? "",
    status: choice("status", STATUSES, DEFAULTS.status),
    low: parseNumber(given.get("low")),
    high: parseNumber(given.get("high")),
    mode: choice("by", CLASS_MODES, DEFAULTS.mode),
    classes: given.getAll("class"),
    overlay: flag("overlay"), truth: flag("truth") && HAS.truth, heat: flag("heat") && HAS.heat, box: flag("box"),
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
  if (state.low !== null) out.set("low", state.low);
  if (state.high !== null) out.set("high", state.high);
  if (state.mode !== DEFAULTS.mode) out.set("by", state.mode);
  for (const name of state.classes) out.append("class", name);
  for (const name of ["overlay", "truth", "heat", "box"]) if (state[name] !== DEFAULTS[name]) out.set(name, state[name] ? "1" : "0");
  if (state.opacity !== DEFAULTS.opacity) out.set("opacity", state.opacity);
  if (state.open !== null) out.set("open", state.open);
  return out.toString();
}

function isFiltered(state) {
  return Boolean(state.query || state.low !== null || state.high !== null || state.classes.length || state.status !== "all");
}

// Rows that pass every filter but that of the status. With a score or class filter on, rows that have none are out.
function matching(rows, state) {
  const query = state.query.trim().toLowerCase();
  const wanted = new Set(state.classes);
  const { classesOf } = CLASS_MODES[state.mode];
  return rows.filter((row) =>
    (!query || row.id.toLowerCase().includes(query)) &&
    (state.low === null || (row.score !== null && row.score >= state.low)) &&
    (state.high === null || (row.score !== null && row.score <= state.high)) &&
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

// Every score with the same number of decimals: three digits of the range that the scores span.
const SCORE_DECIMALS = Math.min(8, Math.max(0, 3 - Math.round(Math.log10(RANGE.high - RANGE.low || 1))));
const formatScore = (score) => (score === null ? "–" : score.toFixed(SCORE_DECIMALS));
const formatDice = (dice) => (dice === null ? "–" : dice.toFixed(3));
const formatNumber = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4))));
