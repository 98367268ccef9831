// The large view of one entry, with its pictures side by side, all its fields, its verdict and its note.

const LABELS_OF_FIELDS = {
  id: "Id", rank: "Rank", score: "Score", status: "Status", reason: "Reason", worst_class: "Worst class", expected_class: "Expected class",
  worst_box: "Worst box (x0, y0, x1, y1)", classes: "Predicted classes", dice: "Dice", p_value: "p-value", expected_dice: "Expected Dice",
  other_score: "Score in the other audit", other_rank: "Rank in the other audit", rank_change: "Rank change",
};
const FIRST_FIELDS = [
  "score", "dice", "decision", "p_value", "expected_dice", "rank", "rank_change", "other_rank", "other_score", "worst_class",
  "expected_class", "classes", "worst_box", "reason", "id",
];
// The status is "ok" of all that can be opened; the ends of the interval stand beside the expected Dice.
const NO_FIELDS = new Set(["index", "layers", "lot", "status", "expected_dice_low", "expected_dice_high"]);
const isEmpty = (value) => value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length);

function fieldText(name, value) {
  if (name === "score") return formatScore(value);
  if (name === "dice") return formatDice(value);
  if (name === "rank_change") return formatChange(value);
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "number") return formatNumber(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function prettyName(name) {
  if (Object.hasOwn(LABELS_OF_FIELDS, name)) return LABELS_OF_FIELDS[name];
  const words = name.replaceAll("_", " ").replaceAll(".", " · ").replace(/\bdice\b/g, "Dice");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// Definition list of an object's fields; empty ones are left out.
function fieldList(fields, target) {
  target.replaceChildren();
  for (const [name, value] of Object.entries(fields)) {
    if (NO_FIELDS.has(name) || isEmpty(value)) continue;
    const words = element("dd", { text: fieldText(name, value), className: name === "score" || name === "dice" ? "big" : "" });
    if (name === "worst_class" || name === "expected_class") words.prepend(swatch(value));
    target.append(element("dt", { text: prettyName(name) }), words);
  }
}

function heatBar() {
  const bar = element("i");
  bar.style.background = `linear-gradient(90deg, ${DATA.heat_colours.join(", ")}), #7f7f7f`;
  return element("span", { className: "colour-bar" }, "low", bar, "high");
}

const PANELS = [
  { title: "Photo", layers: [], always: true },
  { title: DATA.judged, layers: ["prediction"] },
  { title: `${DATA.judged} in the other audit`, layers: ["other"] },
  { title: "Heat map", layers: ["heat"], legend: heatBar },
  { title: "Ground truth", layers: ["truth"] },
];

class Detail {
  constructor(dialog, review, { onMove, onClose, onJudge, onNote }) {
    Object.assign(this, { dialog, review, row: null });
    this.note = document.getElementById("note");
    dialog.addEventListener("close", onClose);
    // A click beside the dialog, on its backdrop, closes it.
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.getElementById("close").addEventListener("click", () => dialog.close());
    document.getElementById("previous").addEventListener("click", () => onMove(-1));
    document.getElementById("next").addEventListener("click", () => onMove(1));
    for (const button of dialog.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => onJudge(button.dataset.verdict));
    this.note.addEventListener("input", () => onNote(this.row, this.note.value));
  }

  get isOpen() { return this.dialog.open; }

  show(row, place, count) {
    document.getElementById("detail-place").textContent = `${formatNumber(place + 1)} of ${formatNumber(count)}`;
    document.getElementById("previous").disabled = place === 0;
    document.getElementById("next").disabled = place === count - 1;
    if (this.row !== row || !this.isOpen) this.draw(row);
    this.repaint();
    if (this.dialog.open) return;
    this.dialog.showModal();
    document.getElementById("detail-title").focus(); // what is open is the first thing heard, not a button
  }

  draw(row) {
    this.row = row;
    document.getElementById("detail-title").textContent = `#${row.rank ?? "–"}  ${row.id}`;
    const panels = document.getElementById("panels");
    const wanted = PANELS.filter(({ layers, always }) => always || layers.some((layer) => row.layers.includes(layer)));
    panels.replaceChildren(...wanted.map(({ title, layers, legend }) =>
      element("figure", { className: "panel" },
        element("figcaption", {}, element("span", { text: title }), legend ? legend() : null),
        element("div", { className: "well" }, frame(row, layers, `${title} of ${row.id}`)))));
    // Upright pictures stand in one line, others two by two, and six of them in three columns.
    panels.classList.toggle("tall", row.width < 0.9 * row.height);
    panels.classList.toggle("many", wanted.length > 4);
    const first = FIRST_FIELDS.filter((name) => Object.hasOwn(row, name)).map((name) => [name, row[name]]);
    const { expected_dice: expected, expected_dice_low: low, expected_dice_high: high } = row;
    const interval = low === null || high === null ? {} : { expected_dice: `${expected.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})` };
    fieldList({ ...Object.fromEntries(first), ...row, ...interval }, document.getElementById("fields"));
    document.getElementById("fields").scrollTop = 0;
  }

  // Brings verdict and note up to date with the review.
  repaint() {
    const verdict = this.review.verdictOf(this.row.id);
    for (const button of this.dialog.querySelectorAll("[data-verdict]")) {
      button.setAttribute("aria-pressed", button.dataset.verdict === verdict);
    }
    const note = this.review.noteOf(this.row.id);
    if (this.note.value !== note) this.note.value = note;
  }
}
