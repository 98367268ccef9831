// The plot of score against Dice, or against another number: one point an entry, linked with the grid.
//
// A click goes to the nearest point's card; a drag sets the ranges at the side, which do the same by keyboard. Points lie on a canvas, which
// ten thousand of them do not slow down; what moves (the ring round the current one, the dragged frame, the words) are elements over it.

const AXES = Object.fromEntries(["dice", "expected_dice", "p_value", "other_score"].filter(some).map((name) => [name, prettyName(name)]));

class Scatter {
  static MARGIN = { left: 44, right: 12, top: 12, bottom: 34 };
  static REACH = 14; // px from a point within which a click means it

  constructor(panel, review, { onPick, onSelect }) {
    Object.assign(this, { panel, review, shown: new Set(), current: null, axis: Object.keys(AXES)[0] ?? null });
    this.canvas = panel.querySelector("canvas");
    this.stage = panel.querySelector(".stage");
    this.ring = panel.querySelector(".ring");
    this.band = panel.querySelector(".band");
    this.words = panel.querySelector(".plot-words");
    this.select = panel.querySelector("select");
    this.select.replaceChildren(...Object.entries(AXES).map(([value, text]) => element("option", { value, text })));
    this.select.addEventListener("change", () => { this.axis = this.select.value; this.schedule(); });
    new ResizeObserver(() => this.schedule()).observe(this.stage);
    this.stage.addEventListener("pointerdown", (event) => this.begin(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    this.stage.addEventListener("pointerup", (event) => this.end(event, onPick, onSelect));
    this.stage.addEventListener("pointerleave", () => { if (!this.from) this.words.textContent = ""; });
  }

  show(rows) {
    this.shown = new Set(rows);
    this.schedule();
  }

  setCurrent(row) {
    this.current = row;
    this.placeRing();
  }

  schedule() {
    if (this.panel.hidden || this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
  }

  // Geometry -----------------------------------------------------------------------------------------------------------------------

  measure() {
    const { left, right, top, bottom } = Scatter.MARGIN;
    const [width, height] = [this.stage.clientWidth, this.stage.clientHeight];
    const points = SCORED.filter((row) => row[this.axis] !== null && row[this.axis] !== undefined);
    const ends = (name) => points.reduce(([low, high], row) => [Math.min(low, row[name]), Math.max(high, row[name])], [Infinity, -Infinity]);
    const padded = ([low, high]) => (low < high ? [low - 0.03 * (high - low), high + 0.03 * (high - low)] : [low - 0.5, high + 0.5]);
    const [x, y] = [padded(ends("score")), this.axis === "other_score" ? padded(ends("other_score")) : [-0.03, 1.03]];
    const plot = { left, top, right: width - right, bottom: height - bottom };
    this.geometry = {
      width, height, points, x, y, plot,
      toX: (value) => plot.left + (plot.right - plot.left) * (value - x[0]) / (x[1] - x[0]),
      toY: (value) => plot.bottom - (plot.bottom - plot.top) * (value - y[0]) / (y[1] - y[0]),
      fromX: (place) => x[0] + (x[1] - x[0]) * (place - plot.left) / (plot.right - plot.left),
      fromY: (place) => y[0] + (y[1] - y[0]) * (plot.bottom - place) / (plot.bottom - plot.top),
    };
  }

  nearest(x, y) {
    let best = null, distance = Scatter.REACH ** 2;
    for (const row of this.geometry.points) {
      const apart = (this.geometry.toX(row.score) - x) ** 2 + (this.geometry.toY(row[this.axis]) - y) ** 2;
      // Of two points equally far the one that the filters show.
      if (apart < distance || (apart === distance && this.shown.has(row))) [best, distance] = [row, apart];
    }
    return best;
  }

  // Drawing ------------------------------------------------------------------------------------------------------------------------

  draw() {
    if (!this.axis || !this.stage.clientWidth) return;
    this.measure();
    const { width, height, points, plot, toX, toY, x, y } = this.geometry;
    const scale = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * scale, height: height * scale });
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(root);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    pen.fillStyle = colour("muted");
    pen.strokeStyle = colour("line");
    pen.textAlign = "center";
    for (const tick of ticks(...x)) {
      line(pen, toX(tick), plot.top, toX(tick), plot.bottom);
      pen.fillText(String(tick), toX(tick), plot.bottom + 14);
    }
    pen.fillText("Score", (plot.left + plot.right) / 2, height - 4);
    pen.textAlign = "right";
    for (const tick of ticks(...y)) {
      line(pen, plot.left, toY(tick), plot.right, toY(tick));
      pen.fillText(String(tick), plot.left - 6, toY(tick) + 4);
    }
    const size = points.length > 3000 ? 1.5 : points.length > 500 ? 2.2 : 3.2;
    const hidden = points.filter((row) => !this.shown.has(row)), seen = points.filter((row) => this.shown.has(row));
    for (const [rows, opacity] of [[hidden, 0.16], [seen, 0.85]]) {
      pen.globalAlpha = opacity;
      for (const row of rows) {
        pen.fillStyle = colour(this.review.verdictOf(row.id) ?? "accent");
        pen.beginPath();
        pen.arc(toX(row.score), toY(row[this.axis]), size, 0, 7);
        pen.fill();
      }
    }
    this.canvas.setAttribute("aria-label", `Score against ${AXES[this.axis]}: ${formatNumber(seen.length)} of ` +
      `${formatNumber(points.length)} entries in the selection. The ranges of both numbers select by keyboard.`);
    this.placeRing();
  }

  placeRing() {
    const row = this.current;
    const there = Boolean(this.geometry && row && this.axis && row[this.axis] !== null && row[this.axis] !== undefined);
    this.ring.hidden = !there;
    if (there) this.ring.style.transform = `translate(${this.geometry.toX(row.score)}px, ${this.geometry.toY(row[this.axis])}px)`;
  }

  // The pointer --------------------------------------------------------------------------------------------------------------------

  place(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  begin(event) {
    if (event.button !== 0 || !this.geometry) return;
    this.from = this.place(event);
    this.stage.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.geometry) return;
    const [x, y] = this.place(event);
    if (!this.from) {
      const row = this.nearest(x, y);
      this.words.textContent = row ? `#${row.rank ?? "–"} ${row.id}: score ${formatScore(row.score)}, ${AXES[this.axis]} ${formatNumber(row[this.axis])}` : "";
      return;
    }
    const [x0, y0] = this.from;
    this.band.hidden = Math.hypot(x - x0, y - y0) < 5;
    Object.assign(this.band.style, {
      left: `${Math.min(x, x0)}px`, top: `${Math.min(y, y0)}px`, width: `${Math.abs(x - x0)}px`, height: `${Math.abs(y - y0)}px`,
    });
  }

  end(event, onPick, onSelect) {
    if (!this.from) return;
    const [[x0, y0], [x, y]] = [this.from, this.place(event)];
    this.from = null;
    const dragged = !this.band.hidden;
    this.band.hidden = true;
    if (!dragged) {
      const row = this.nearest(x, y);
      if (row) onPick(row);
      return;
    }
    const { fromX, fromY } = this.geometry;
    const rounded = (value) => Number(value.toPrecision(6));
    const selected = { score: { low: rounded(fromX(Math.min(x, x0))), high: rounded(fromX(Math.max(x, x0))) } };
    if (Object.hasOwn(RANGES, this.axis)) selected[this.axis] = { low: rounded(fromY(Math.max(y, y0))), high: rounded(fromY(Math.min(y, y0))) };
    onSelect(selected);
  }
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  pen.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  pen.stroke();
}

// About five round numbers between two ends.
function ticks(low, high) {
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(Number((n * step).toPrecision(6)));
  return found;
}
