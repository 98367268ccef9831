// The card of an entry: a small picture with its layers, the verdict, and what is known in three lines.

const MARKS = { accept: "✓", reject: "✕", unsure: "?" };

// The photo with a canvas for the mask and one for the heat map over it, which `paintLayers` fills when they are wanted.
function frame(row) {
  const box = element("span", { className: "frame" });
  box.style.setProperty("--ratio", row.width && row.height ? row.width / row.height : 4 / 3);
  const placeholder = (text) => element("span", { className: "placeholder", text });
  const { photo: address } = row.layers.includes("photo") ? smallPictures(row) : { photo: null };
  if (address) {
    const photo = element("img", { className: "photo", alt: "", draggable: "false", decoding: "async" });
    photo.addEventListener("error", () => photo.replaceWith(placeholder("picture not found beside the page")));
    photo.src = address;
    box.append(photo);
  } else {
    box.append(placeholder(row.problem || "no picture"));
  }
  if (row.worst_box && row.width && row.height) {
    const [x0, y0, x1, y1] = row.worst_box;
    const mark = element("span", { className: "box" });
    const percent = (value) => `${100 * Math.min(1, Math.max(0, value))}%`;
    Object.assign(mark.style, {
      left: percent(x0 / row.width), right: percent(1 - x1 / row.width),
      top: percent(y0 / row.height), bottom: percent(1 - y1 / row.height),
    });
    box.append(mark);
  }
  return box;
}

// What lies over the photo: a mask's name or null, the heat map, and the opacity of fills.
const wantedLayers = (state) => ({ mask: state.truth ? "truth" : state.overlay ? "prediction" : null, heat: state.heat, opacity: state.opacity / 100 });

// Work that is done in the next frames, a few ms in each, so that a page of cards that come into sight together stays quick.
const PAINTING = 8; // ms of a frame
const toPaint = [];

function paintSoon(job) {
  toPaint.push(job);
  if (toPaint.length === 1) requestAnimationFrame(paintSome);
}

function paintSome() {
  const end = performance.now() + PAINTING;
  do toPaint[0](); while (toPaint.shift() && toPaint.length && performance.now() < end);
  if (toPaint.length) requestAnimationFrame(paintSome);
}

// Draws the layers of a card of `width` x `height` px as `wanted` says; what comes too late for a card that has gone is dropped.
async function paintLayers(item, row, wanted, width, height) {
  const box = item.querySelector(".frame");
  const turn = box.turn = (box.turn ?? 0) + 1;
  const names = [wanted.mask, wanted.heat ? "heat" : null].filter((name) => name && row.layers.includes(name));
  const rasters = names.length ? await smallPictures(row).rasters : {};
  const isWanted = () => item.isConnected && box.turn === turn;
  if (isWanted()) paintSoon(() => isWanted() && drawLayers(box, row, names, rasters, wanted.opacity, width, height));
}

function drawLayers(box, row, names, rasters, opacity, width, height) {
  const ratio = row.width / row.height;
  const scale = Math.min(2, devicePixelRatio || 1) * Math.min(width / ratio, height);
  const layers = names.filter((name) => rasters[name]).map((name) => {
    const canvas = name === "heat" ? heatCanvas(rasters.heat)
      : paintMask(newCanvas(Math.max(1, Math.round(scale * ratio)), Math.max(1, Math.round(scale))), rasters[name], drawnLabels(), opacity);
    canvas.className = `layer ${name}`;
    return canvas;
  });
  for (const old of box.querySelectorAll(".layer")) old.remove();
  box.classList.toggle("has-heat", names.includes("heat"));
  (box.querySelector(".photo, .placeholder")).after(...layers);
}

// "cat → dog": what was drawn, and what the model would have expected there.
function finding(row) {
  const title = row.expected_class ? `predicted ${row.worst_class}, expected ${row.expected_class}` : row.worst_class;
  const line = element("span", { title });
  if (!row.worst_class) return line;
  line.append(swatch(row.worst_class), element("b", { text: row.worst_class }));
  if (row.expected_class && row.expected_class !== row.worst_class) line.append(` → ${row.expected_class}`);
  return line;
}

// The best that is known of the Dice: measured, or expected from the score.
function diceWords(row) {
  if (row.dice !== null) return `Dice ${formatDice(row.dice)}`;
  return row.expected_dice === null ? "" : `Dice about ${row.expected_dice.toFixed(2)}`;
}

function describe(row, review) {
  const parts = [`Rank ${row.rank ?? "none"}`, row.id, `score ${formatScore(row.score)}`];
  if (row.rank_change !== null) parts.push(`rank in the other audit ${row.other_rank}`);
  if (row.worst_class) parts.push(`worst class ${row.worst_class}`);
  if (row.expected_class) parts.push(`expected ${row.expected_class}`);
  if (row.decision) parts.push(`decision ${row.decision}`);
  if (row.p_value !== null) parts.push(`p-value ${formatRange("p_value", row.p_value)}`);
  if (diceWords(row)) parts.push(diceWords(row));
  const verdict = review.verdictOf(row.id);
  parts.push(verdict ? VERDICTS[verdict].toLowerCase() : "not reviewed", ...review.tagsOf(row.id));
  if (review.noteOf(row.id)) parts.push(`note: ${review.noteOf(row.id)}`);
  return parts.join(", ");
}

// An item of the grid: a button that opens the entry, and beside it three that judge it, for the mouse (keys do the same from the card).
function card(row, review) {
  const rank = element("span", { className: "rank", text: `#${row.rank ?? "–"}` });
  if (row.rank_change !== null) rank.append(element("span", { className: "change", text: ` ${formatChange(row.rank_change)}` }));
  const well = element("span", { className: "well" }, frame(row), rank,
    element("span", { className: "badge", hidden: "" }), row.decision ? element("span", { className: `decision ${row.decision}`, text: row.decision }) : null);
  const words = element("span", { className: "words" },
    element("span", { className: "line" }, element("span", { className: "id", text: row.id, title: row.id }),
      element("span", { className: "score", text: formatScore(row.score) })),
    element("span", { className: "line small-print" }, finding(row), element("span", { text: diceWords(row) })),
    element("span", { className: "line small-print" }, element("span", { className: "reasons" })));
  const judges = element("span", { className: "judges" }, ...Object.entries(MARKS).map(([verdict, mark]) =>
    element("button", { className: `judge ${verdict}`, type: "button", tabindex: "-1", "data-verdict": verdict, text: mark })));
  const item = element("li", {}, element("button", { className: "card", type: "button", tabindex: "-1" }, well, words), judges);
  paintVerdict(item, row, review);
  return item;
}

// Brings a card up to date with the review. Its last line says the reasons, or, where there are none, the classes.
function paintVerdict(item, row, review) {
  const verdict = review.verdictOf(row.id), note = review.noteOf(row.id), tags = review.tagsOf(row.id);
  item.firstChild.setAttribute("aria-label", describe(row, review));
  item.dataset.verdict = verdict ?? "";
  const badge = item.querySelector(".badge");
  badge.hidden = !verdict;
  badge.textContent = verdict ? VERDICTS[verdict] + (note ? " ✎" : "") : "";
  badge.title = note;
  const line = item.querySelector(".reasons");
  line.textContent = line.title = tags.length ? tags.join(", ") : row.classes.join(", ") || "background only";
  line.classList.toggle("given", tags.length > 0);
  for (const button of item.querySelectorAll(".judge")) {
    const pressed = button.dataset.verdict === verdict;
    button.setAttribute("aria-pressed", pressed);
    button.setAttribute("aria-label", `${pressed ? "Take back: " : ""}${VERDICTS[button.dataset.verdict]}, ${row.id}`);
  }
}
