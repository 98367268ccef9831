// Pictures and cards, and the grid that keeps only the cards near the window in the page.

function element(tag, { className, text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// The pictures lie in inert blocks, one an entry; a block is parsed when its card comes near.
function picturesOf(row) {
  return JSON.parse(document.getElementById(`pictures-${row.index}`).textContent);
}

const COLOURS = new Map(DATA.classes.map(({ name, colour }) => [name, colour]));

function swatch(name) {
  const mark = element("span", { className: "swatch", "aria-hidden": "true" });
  mark.style.background = COLOURS.get(name) ?? "transparent";
  return mark;
}

// A photo with the given layers over it (of "prediction", "truth", "heat"); which of them are seen is up to the style sheet.
function frame(row, layers, alt = "") {
  const pictures = picturesOf(row);
  const box = element("div", { className: "frame" });
  box.style.setProperty("--ratio", row.width && row.height ? row.width / row.height : 4 / 3);
  if (pictures.photo) {
    const photo = element("img", { className: "photo", alt, draggable: "false", decoding: "async" });
    photo.src = `data:image/jpeg;base64,${pictures.photo}`;
    box.append(photo);
  } else {
    box.append(element("span", { className: "placeholder", text: pictures.problem || "no picture" }));
  }
  for (const layer of layers) {
    if (!pictures[layer]) continue;
    const image = element("img", { className: `layer ${layer}`, alt: "", draggable: "false", decoding: "async" });
    image.src = `data:image/png;base64,${pictures[layer]}`;
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
function verdict(row) {
  const title = row.expected_class ? `predicted ${row.worst_class}, expected ${row.expected_class}` : row.worst_class;
  const line = element("span", { title });
  if (!row.worst_class) return line;
  line.append(swatch(row.worst_class), element("b", { text: row.worst_class }));
  if (row.expected_class && row.expected_class !== row.worst_class) line.append(` → ${row.expected_class}`);
  return line;
}

function describe(row) {
  const parts = [`Rank ${row.rank ?? "none"}`, row.id, `score ${formatScore(row.score)}`];
  if (row.worst_class) parts.push(`worst class ${row.worst_class}`);
  if (row.expected_class) parts.push(`expected ${row.expected_class}`);
  if (row.dice !== null) parts.push(`Dice ${formatDice(row.dice)}`);
  return parts.join(", ");
}

function card(row) {
  const well = element("span", { className: "well" }, frame(row, ["prediction", "truth", "heat"]),
    element("span", { className: "rank", text: `#${row.rank ?? "–"}` }));
  const words = element("span", { className: "words" },
    element("span", { className: "line" }, element("span", { className: "id", text: row.id, title: row.id }),
      element("span", { className: "score", text: formatScore(row.score) })),
    element("span", { className: "line small-print" }, verdict(row),
      row.dice === null ? null : element("span", { text: `Dice ${formatDice(row.dice)}` })),
    element("span", { className: "line small-print" },
      element("span", { text: row.classes.join(", ") || "background only", title: row.classes.join(", ") })));
  return element("button", { className: "card", type: "button", tabindex: "-1", "aria-label": describe(row) }, well, words);
}

// A list of cards of equal size in a scrolling box. Rows of cards within one window's height of the visible part exist, no others.
class VirtualGrid {
  static MIN_WIDTH = 238;
  static GAP = 12;
  static WORDS = 74; // height of the text below a picture, px

  constructor(scroller, list, onOpen) {
    Object.assign(this, { scroller, list, onOpen, rows: [], cursor: 0, columns: 1, live: new Map() });
    scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(list);
    list.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      if (item) this.onOpen(Number(item.dataset.place));
    });
    list.addEventListener("focusin", (event) => {
      const item = event.target.closest("li");
      if (item) this.setCursor(Number(item.dataset.place));
    });
  }

  show(rows) {
    const kept = this.rows[this.cursor];
    this.rows = rows;
    this.cursor = Math.max(0, rows.indexOf(kept));
    for (const item of this.live.values()) item.remove();
    this.live.clear();
    this.layout();
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
      const item = element("li", { "aria-posinset": place + 1, "aria-setsize": this.rows.length }, card(this.rows[place]));
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
    for (const [place, item] of this.live) item.firstChild.tabIndex = place === reachable ? 0 : -1;
  }

  setCursor(place) {
    this.cursor = place;
    this.mark();
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
