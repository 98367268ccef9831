// The large view of one entry, with its pictures side by side and all its fields.

const LABELS_OF_FIELDS = {
  id: "Id", rank: "Rank", score: "Score", status: "Status", reason: "Reason", worst_class: "Worst class", expected_class: "Expected class",
  worst_box: "Worst box (x0, y0, x1, y1)", classes: "Predicted classes", dice: "Dice",
};
const NO_FIELDS = new Set(["index", "layers"]);
const isEmpty = (value) => value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length);

function fieldText(name, value) {
  if (name === "score") return formatScore(value);
  if (name === "dice") return formatDice(value);
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
  { title: "Prediction", layers: ["prediction"] },
  { title: "Heat map", layers: ["heat"], legend: heatBar },
  { title: "Ground truth", layers: ["truth"] },
];

class Detail {
  constructor(dialog, onMove, onClose) {
    this.dialog = dialog;
    dialog.addEventListener("close", onClose);
    // A click beside the dialog, on its backdrop, closes it.
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.getElementById("close").addEventListener("click", () => dialog.close());
    document.getElementById("previous").addEventListener("click", () => onMove(-1));
    document.getElementById("next").addEventListener("click", () => onMove(1));
  }

  get isOpen() { return this.dialog.open; }

  show(row, place, count) {
    document.getElementById("detail-title").textContent = `#${row.rank ?? "–"}  ${row.id}`;
    document.getElementById("detail-place").textContent = `${formatNumber(place + 1)} of ${formatNumber(count)}`;
    document.getElementById("previous").disabled = place === 0;
    document.getElementById("next").disabled = place === count - 1;
    const panels = document.getElementById("panels");
    const wanted = PANELS.filter(({ layers, always }) => always || layers.some((layer) => row.layers.includes(layer)));
    panels.replaceChildren(...wanted.map(({ title, layers, legend }) =>
      element("figure", { className: "panel" },
        element("figcaption", {}, element("span", { text: title }), legend ? legend() : null),
        element("div", { className: "well" }, frame(row, layers, `${title} of ${row.id}`)))));
    // Upright pictures stand in one line, others two by two.
    panels.classList.toggle("tall", row.width < 0.9 * row.height);
    const { score, dice, ...others } = row;
    fieldList({ score, dice, ...others }, document.getElementById("fields"));
    if (!this.dialog.open) this.dialog.showModal();
  }
}
