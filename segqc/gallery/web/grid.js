// A list of cards of equal size in a scrolling box. Rows of cards within half a window's height of the visible part exist, no others.
class VirtualGrid {
  static MIN_WIDTH = 238;
  static GAP = 12;
  static SPARE = 8; // cards out of sight that are made in one frame
  static WORDS = 74; // height of the text below a picture, px

  constructor(scroller, list, review, { onOpen, onJudge, onCursor, wanted }) {
    Object.assign(this, { scroller, list, review, onCursor, wanted, rows: [], cursor: 0, columns: 1, live: new Map(), left: { rows: [], cursor: 0 } });
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

  // The current row stays current. Where it is no longer shown, the next one is that stood behind it, or else the last one shown.
  show(rows, fromStart = false) {
    const focused = this.list.contains(document.activeElement);
    if (this.rows.length) this.left = { rows: this.rows, cursor: this.cursor }; // filters that show nothing forget no place
    const before = this.rows;
    const places = new Map(rows.map((row, place) => [row, place]));
    const next = fromStart ? rows[0] : this.left.rows.slice(this.left.cursor).find((row) => places.has(row));
    this.rows = rows;
    this.cursor = next ? places.get(next) : this.left.rows.length ? Math.max(0, rows.length - 1) : 0;
    const cards = new Map([...this.live].map(([place, item]) => [before[place], item]));
    this.live.clear();
    // A card whose row is still in sight is kept as it is.
    for (const [row, item] of cards) {
      const place = places.get(row);
      if (place === undefined) item.remove();
      else this.settle(item, place);
    }
    this.layout();
    if (focused) this.focus(this.cursor);
  }

  layout() {
    const width = this.list.clientWidth;
    if (!width) return;
    const before = this.cardWidth;
    this.columns = Math.max(1, Math.floor((width + VirtualGrid.GAP) / (VirtualGrid.MIN_WIDTH + VirtualGrid.GAP)));
    this.cardWidth = (width - (this.columns - 1) * VirtualGrid.GAP) / this.columns;
    this.cardHeight = Math.round(this.cardWidth * 0.72) + VirtualGrid.WORDS;
    const lines = Math.ceil(this.rows.length / this.columns);
    this.list.style.height = `${Math.max(0, lines * (this.cardHeight + VirtualGrid.GAP) - VirtualGrid.GAP)}px`;
    for (const [place, item] of this.live) this.place(item, place);
    this.render();
    if (before && Math.abs(before - this.cardWidth) > 1) this.repaintPictures();
  }

  settle(item, place) {
    item.setAttribute("aria-posinset", place + 1);
    item.setAttribute("aria-setsize", this.rows.length);
    item.dataset.place = place;
    this.live.set(place, item);
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
    const [from, to] = [Math.floor(top / pitch) * this.columns, Math.ceil((top + height) / pitch) * this.columns];
    let spare = VirtualGrid.SPARE;
    const places = Array.from({ length: Math.max(0, last - first) }, (_, step) => first + step);
    for (const place of [...places.filter((place) => place >= from && place < to), ...places.filter((place) => place < from || place >= to)]) {
      if (this.live.has(place)) continue;
      // What is in sight comes at once, its surroundings a few cards a frame.
      if ((place < from || place >= to) && spare-- <= 0) { this.schedule(); break; }
      const item = card(this.rows[place], this.review);
      this.settle(item, place);
      this.place(item, place);
      this.list.append(item);
      this.paint(item, place);
    }
    this.order();
    this.mark();
  }

  // In the page the cards stand in their order, for those who hear it read. The one that has the focus is never moved, which would take it away.
  order() {
    const focused = document.activeElement.closest("#grid > li");
    const items = [...this.list.children], wanted = [...items].sort((a, b) => a.dataset.place - b.dataset.place);
    if (items.every((item, place) => item === wanted[place])) return;
    const place = wanted.indexOf(focused);
    if (place < 0) { this.list.append(...wanted); return; }
    focused.before(...wanted.slice(0, place));
    focused.after(...wanted.slice(place + 1));
  }

  paint(item, place) {
    paintLayers(item, this.rows[place], this.wanted(), this.cardWidth - 2, this.cardHeight - VirtualGrid.WORDS - 2);
  }

  // Layers, opacity or size have changed: a frame later, however many times.
  repaintPictures() {
    if (!this.painting) this.painting = requestAnimationFrame(() => { this.painting = 0; for (const [place, item] of this.live) this.paint(item, place); });
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

  reveal(place) {
    const y = this.list.offsetTop + Math.floor(place / this.columns) * (this.cardHeight + VirtualGrid.GAP);
    const margin = 14;
    if (y - margin < this.scroller.scrollTop) this.scroller.scrollTop = y - margin;
    else if (y + this.cardHeight + margin > this.scroller.scrollTop + this.scroller.clientHeight) {
      this.scroller.scrollTop = y + this.cardHeight + margin - this.scroller.clientHeight;
    }
  }

  // Moves the focus to the card at `place`, scrolled into view.
  focus(place) {
    if (!this.rows.length) return;
    this.cursor = Math.min(this.rows.length - 1, Math.max(0, place));
    this.reveal(this.cursor);
    this.render();
    this.live.get(this.cursor).firstChild.focus({ preventScroll: true });
  }
}
