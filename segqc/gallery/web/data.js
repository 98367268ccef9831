// What the page was given: rows, classes, words. Everything else follows from it.

// A number that looks random and is the same at every visit (FNV-1a, mixed): the order in which a fair sample is reviewed.
function lotOf(id) {
  let lot = 0x811c9dc5;
  for (const letter of id) lot = Math.imul(lot ^ letter.codePointAt(0), 0x01000193);
  return Math.imul(lot ^ (lot >>> 15), 0x2c1b3c6d) >>> 0;
}

const DATA = JSON.parse(document.getElementById("rows").textContent);

// Rows come by columns, of which one that is the same everywhere has its value alone: { all: value }.
function rowsOf(columns, count) {
  const filled = Object.entries(columns).map(([name, column]) => [name, Array.isArray(column) ? (index) => column[index] : () => column.all]);
  return Array.from({ length: count }, (_, index) => {
    const row = {};
    for (const [name, valueAt] of filled) row[name] = valueAt(index);
    row.index = index;
    row.lot = lotOf(row.id);
    row.searched = row.id.toLowerCase();
    return row;
  });
}

const ROWS = rowsOf(DATA.columns, DATA.count);
const SCORED = ROWS.filter((row) => row.status === "ok");
const FAILED = ROWS.filter((row) => row.status !== "ok");
const isKnown = (value) => value !== null && value !== undefined && value !== "";
const some = (name) => SCORED.some((row) => isKnown(row[name]));
const HAS = {
  truth: ROWS.some((row) => row.layers.includes("truth")),
  heat: ROWS.some((row) => row.layers.includes("heat")),
  dice: some("dice"),
  expected: some("expected_class"),
  decision: some("decision"),
  compared: some("rank_change"),
};

// Words ----------------------------------------------------------------------------------------------------------------------------

// The heading of a column as the table's schema has it, or its name with spaces.
function prettyName(name) {
  if (Object.hasOwn(DATA.schema, name)) return DATA.schema[name].label;
  const words = name.replaceAll("_", " ").replaceAll(".", " · ").replace(/\bdice\b/g, "Dice");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const meaningOf = (name) => (Object.hasOwn(DATA.schema, name) ? DATA.schema[name].meaning : "");
const formatNumber = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4))));
const counted = (count, one, many = `${one}s`) => `${formatNumber(count)} ${count === 1 ? one : many}`;
// How many places nearer to the worst: "↑3", "↓12", "=".
const formatChange = (change) => (change > 0 ? `↑${formatNumber(change)}` : change < 0 ? `↓${formatNumber(-change)}` : "=");
const formatDice = (dice) => (dice === null ? "–" : dice.toFixed(3));

function element(tag, { className, text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}
