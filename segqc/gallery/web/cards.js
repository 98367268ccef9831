// Pictures and cards, and the grid that keeps only the cards near the window in the page.

function element(tag, { className, text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

const SUFFIXES = { photo: "jpg", prediction: "png", other: "png", heat: "png", truth: "png" };
const TYPES = { jpg: "image/jpeg", png: "image/png" };
const ENTRIES_PER_FOLDER = 500;

// Where the pictures of a row are: files beside the page, or inert blocks in it, of which one is parsed when its card comes near.
function picturesOf(row) {
  if (DATA.pictures !== null) {
    const folder = `${DATA.pictures}/${Math.floor(row.index / ENTRIES_PER_FOLDER)}`;
    return (layer) => `${folder}/${row.index}.${layer}.${SUFFIXES[layer]}`;
  }
  const block = document.getElementById(`pictures-${row.index}`);
  const data = block ? JSON.parse(block.textContent) : {};
  return (layer) => `data:${TYPES[SUFFIXES[layer]]};base64,${data[layer]}`;
}

const COLOURS = new Map(DATA.classes.map(({ name, colour }) => [name, colour]));

function swatch(name) {
  const mark = element("span", { className: "swatch", "aria-hidden": "true" });
  mark.style.background = COLOURS.get(name) ?? "transparent";
  return mark;
}

// A photo with the given layers over it (of "prediction", "other", "truth", "heat"); which of them are seen is up to the style sheet.
function frame(row, layers, alt = "") {
  const source = picturesOf(row);
  const box = element("div", { className: "frame" });
  box.style.setProperty("--ratio", row.width && row.height ? row.width / row.height : 4 / 3);
  const placeholder = (text) => element("span", { className: "placeholder", text });
  if (row.layers.includes("photo")) {
    const photo = element("img", { className: "photo", alt, draggable: "false", decoding: "async" });
    photo.addEventListener("error", () => photo.replaceWith(placeholder("picture not found beside the page")));
    photo.src = source("photo");
    box.append(photo);
  } else {
    box.append(placeholder(row.problem || "no picture"));
  }
  for (const layer of layers) {
    if (!row.layers.includes(layer)) continue;
    const image = element("img", { className: `layer ${layer}`, alt: "", draggable: "false", decoding: "async" });
    image.addEventListener("error", () => image.remove());
    image.src = source(layer);
    box.append(image);
    box.classList.add(`has-${layer}`);
  }
  if (row.worst_box && row.width && row.height) {
    const [x0, y0, x1, y1] = row.worst_box;
    const mark = element("div", { className: "box" });
    const percent = (value) => `${100 * Math.min(1, Math.max(0, value))}%`;
    Object.assign(mark.style, {
      left: percent(x0 / row.width), right: percent(1 - x1 / row.width),
      top: percent(y0 / row.height), bottom: percent(1 - y1 / row.height),
    });
    box.append(mark);
  }
  return box;
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
  parts.push(verdict ? VERDICTS[verdict].toLowerCase() : "not reviewed");
  if (review.noteOf(row.id)) parts.push(`note: ${review.noteOf(row.id)}`);
  return parts.join(", ");
}

const MARKS = { accept: "✓", reject: "✕", unsure: "?" };

// An item of the grid: a button that opens the entry, and beside it three that judge it, for the mouse (keys do the same from the card).
function card(row, review) {
  const rank = element("span", { className: "rank", text: `#${row.rank ?? "–"}` });
  if (row.rank_change !== null) rank.append(element("span", { className: "change", text: ` ${formatChange(row.rank_change)}` }));
  const well = element("span", { className: "well" }, frame(row, ["prediction", "truth", "heat"]), rank,
    element("span", { className: "badge", hidden: "" }), row.decision ? element("span", { className: `decision ${row.decision}`, text: row.decision }) : null);
  const words = element("span", { className: "words" },
    element("span", { className: "line" }, element("span", { className: "id", text: row.id, title: row.id }),
      element("span", { className: "score", text: formatScore(row.score) })),
    element("span", { className: "line small-print" }, finding(row), element("span", { text: diceWords(row) })),
    element("span", { className: "line small-print" },
      element("span", { text: row.classes.join(", ") || "background only", title: row.classes.join(", ") })));
  const judges = element("span", { className: "judges" }, ...Object.entries(MARKS).map(([verdict, mark]) =>
    element("button", { className: `judge ${verdict}`, type: "button", tabindex: "-1", "data-verdict": verdict, text: mark })));
  const item = element("li", {}, element("button", { className: "card", type: "button", tabindex: "-1" }, well, words), judges);
  paintVerdict(item, row, review);
  return item;
}

// Brings a card up to date with the review.
function paintVerdict(item, row, review) {
  const verdict = review.verdictOf(row.id);
  const note = review.noteOf(row.id);
  item.firstChild.setAttribute("aria-label", describe(row, review));
  item.dataset.verdict = verdict ?? "";
  const badge = item.querySelector(".badge");
  badge.hidden = !verdict;
  badge.textContent = verdict ? VERDICTS[verdict] + (note ? " ✎" : "") : "";
  badge.title = note;
  for (const button of item.querySelectorAll(".judge")) {
    const pressed = button.dataset.verdict === verdict;
    button.setAttribute("aria-pressed", pressed);
    button.setAttribute("aria-label", `${pressed ? "Take back: " : ""}${VERDICTS[button.dataset.verdict]}, ${row.id}`);
  }
}

// A list of cards of equal size in a scrolling box. Rows of cards within half a window's height of the visible part exist, no others.
class VirtualGrid {
  static MIN_WIDTH = 238;
  static GAP = 12;
  static WORDS = 74; // height of the text below a picture, px

  constructor(scroller, list, review, { onOpen, onJudge, onCursor }) {
    Object.assign(this, { scroller, list, review, onCursor, rows: [], cursor: 0, columns: 1, live: new Map() });
    scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(list);
    list.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      if (!item) return;
      const judge = event.target.closest(".judge");
      if (judge) onJudge(Number(item.dataset.place), judge.dataset.verdict);
      else onOpen(Number(item.dataset.place));
    });
    list.addEventListener("focusin", (event) => {
      const item = event.target.closest("li");
      if (item) this.setCursor(Number(item.dataset.place));
    });
  }

  // `keepPlace`: when the current row is gone, the one that took its place is current, not the first.
  show(rows, keepPlace = false) {
    const focused = this.list.contains(document.activeElement);
    const kept = this.rows[this.cursor];
    this.rows = rows;
    const found = rows.indexOf(kept);
    this.cursor = found >= 0 ? found : keepPlace ? Math.max(0, Math.min(this.cursor, rows.length - 1)) : 0;
    for (const item of this.live.values()) item.remove();
    this.live.clear();
    this.layout();
    if (focused) this.focus(this.cursor);
  }

  layout() {
    const width = this.list.clientWidth;
    if (!width) return;
    this.columns = Math.max(1, Math.floor((width + VirtualGrid.GAP) / (VirtualGrid.MIN_WIDTH + VirtualGrid.GAP)));
    this.cardWidth = (width - (this.columns - 1) * VirtualGrid.GAP) / this.columns;
    this.cardHeight = Math.round(this.cardWidth * 0.72) + VirtualGrid.WORDS;
    const lines = Math.ceil(this.rows.length / this.columns);
    this.list.style.height = `${Math.max(0, lines * (this.cardHeight + VirtualGrid.GAP) - VirtualGrid.GAP)}px`;
    for (const [place, item] of this.live) this.place(item, place);
    this.render();
  }

  place(item, place) {
    const x = (place % this.columns) * (this.cardWidth + VirtualGrid.GAP);
    const y = Math.floor(place / this.columns) * (this.cardHeight + VirtualGrid.GAP);
    Object.assign(item.style, { width: `${this.cardWidth}px`, height: `${this.cardHeight}px`, transform: `translate(${x}px, ${y}px)` });
  }

  schedule() {
    if (!this.pending) this.pending = requestAnimationFrame(() => { this.pending = 0; this.render(); });
  }

  render() {
    if (!this.cardHeight) return;
    const pitch = this.cardHeight + VirtualGrid.GAP;
    const top = this.scroller.scrollTop - this.list.offsetTop;
    const height = this.scroller.clientHeight;
    const first = Math.max(0, Math.floor((top - height / 2) / pitch)) * this.columns;
    const last = Math.min(this.rows.length, Math.ceil((top + 1.5 * height) / pitch) * this.columns);
    for (const [place, item] of this.live) {
      // The card that has the focus stays, or the keyboard would lose its place.
      if ((place < first || place >= last) && !item.contains(document.activeElement)) {
        item.remove();
        this.live.delete(place);
      }
    }
    for (let place = first; place < last; place++) {
      if (this.live.has(place)) continue;
      const item = card(this.rows[place], this.review);
      item.setAttribute("aria-posinset", place + 1);
      item.setAttribute("aria-setsize", this.rows.length);
      item.dataset.place = place;
      this.place(item, place);
      this.live.set(place, item);
      // In the page the cards stand in their order, for those who hear it read.
      const after = [...this.list.children].find((other) => Number(other.dataset.place) > place);
      this.list.insertBefore(item, after ?? null);
    }
    this.mark();
  }

  // One card takes part in the tab order: the current one, or the first that exists.
  mark() {
    const reachable = this.live.has(this.cursor) ? this.cursor : Math.min(...this.live.keys());
    for (const [place, item] of this.live) {
      item.firstChild.tabIndex = place === reachable ? 0 : -1;
      item.firstChild.classList.toggle("current", place === this.cursor);
    }
  }

  setCursor(place) {
    this.cursor = place;
    this.mark();
    this.onCursor();
  }

  // The review has changed: of this row, or of any.
  repaint(row = null) {
    for (const [place, item] of this.live) if (row === null || this.rows[place] === row) paintVerdict(item, this.rows[place], this.review);
  }

  // Whether the current card can be seen, most of it.
  get isCursorVisible() {
    const item = this.live.get(this.cursor);
    if (!item) return false;
    const [card, view] = [item.getBoundingClientRect(), this.scroller.getBoundingClientRect()];
    return Math.min(card.bottom, view.bottom) - Math.max(card.top, view.top) > card.height / 2;
  }

  // Moves the focus to the card at `place`, scrolled into view.
  focus(place) {
    if (!this.rows.length) return;
    this.cursor = Math.min(this.rows.length - 1, Math.max(0, place));
    const y = this.list.offsetTop + Math.floor(this.cursor / this.columns) * (this.cardHeight + VirtualGrid.GAP);
    const margin = 14;
    if (y - margin < this.scroller.scrollTop) this.scroller.scrollTop = y - margin;
    else if (y + this.cardHeight + margin > this.scroller.scrollTop + this.scroller.clientHeight) {
      this.scroller.scrollTop = y + this.cardHeight + margin - this.scroller.clientHeight;
    }
    this.render();
    this.live.get(this.cursor).firstChild.focus({ preventScroll: true });
  }
}
