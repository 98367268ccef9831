// Pictures side by side that are zoomed and moved together: wheel, pinch, drag, double click, and buttons and keys through `zoomBy` and `reset`.
//
// Each panel is a canvas that is drawn anew for every view: outlines keep their width, and the pixels of a mask stay square.

class Viewer {
  static STEP = 1.5; // of a key or a button
  static LARGEST_PIXEL = 24; // px of the screen that a pixel of the picture may take

  constructor(stage, { onPoint, onView }) {
    Object.assign(this, { stage, onPoint, onView, panels: [], size: { width: 1, height: 1 }, pointers: new Map() });
    this.view = { zoom: 1, x: 0.5, y: 0.5 }; // 1 shows the whole picture; x and y are its place in the middle of the panel, from 0 to 1
    new ResizeObserver(() => { this.arrange(); this.schedule(); }).observe(stage);
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.release(event));
    stage.addEventListener("pointerleave", () => this.point(null));
    stage.addEventListener("dblclick", (event) => this.doubleClick(event));
  }

  // `panels`: { canvas, draw(pen, pixelsPerPixel) } each; `size`: of the picture, in its own pixels, in which `draw` draws.
  show(panels, size) {
    Object.assign(this, { panels, size });
    this.pointers.clear();
    this.arrange();
    this.reset();
  }

  // As many columns as make the pictures largest.
  arrange() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const count = this.panels.length || 1, [gap, caption] = [8, 22];
    let best = { scale: 0, columns: 1 };
    for (let columns = 1; columns <= count; columns++) {
      const rows = Math.ceil(count / columns);
      const [cellWidth, cellHeight] = [(width - (columns - 1) * gap) / columns, (height - (rows - 1) * gap) / rows - caption];
      const scale = Math.min(cellWidth / this.size.width, cellHeight / this.size.height);
      if (scale > best.scale) best = { scale, columns };
    }
    this.stage.style.setProperty("--columns", best.columns);
  }

  // Geometry, in px of the page ------------------------------------------------------------------------------------------------------

  get room() {
    const canvas = this.panels[0]?.canvas;
    return { width: canvas?.clientWidth || 1, height: canvas?.clientHeight || 1 };
  }

  get fit() { return Math.min(this.room.width / this.size.width, this.room.height / this.size.height); }
  get scale() { return this.fit * this.view.zoom; } // px of the page for a pixel of the picture
  get origin() {
    return { x: this.room.width / 2 - this.view.x * this.size.width * this.scale, y: this.room.height / 2 - this.view.y * this.size.height * this.scale };
  }

  // Where in the picture a place of a panel is, in pixels of the picture.
  pictureAt(x, y) {
    const { origin, scale } = this;
    return { x: (x - origin.x) / scale, y: (y - origin.y) / scale };
  }

  // The view -------------------------------------------------------------------------------------------------------------------------

  // A picture that is smaller than its panel stands in the middle; of a larger one no side leaves the panel's.
  change(zoom, x, y) {
    const largest = Math.max(1, Viewer.LARGEST_PIXEL / this.fit);
    this.view.zoom = Math.min(largest, Math.max(1, zoom));
    const half = (room, size) => room / (2 * size * this.scale);
    const clamp = (place, edge) => (edge >= 0.5 ? 0.5 : Math.min(1 - edge, Math.max(edge, place)));
    this.view.x = clamp(x, half(this.room.width, this.size.width));
    this.view.y = clamp(y, half(this.room.height, this.size.height));
    this.schedule();
    this.onView(this.scale, this.view.zoom);
  }

  reset() { this.change(1, 0.5, 0.5); }

  // Zooms so that what is at this place of the panel stays there; by default its middle.
  zoomBy(factor, x = this.room.width / 2, y = this.room.height / 2) {
    const before = this.pictureAt(x, y), zoom = this.view.zoom;
    this.change(zoom * factor, this.view.x, this.view.y);
    const after = this.pictureAt(x, y);
    this.change(this.view.zoom, this.view.x + (before.x - after.x) / this.size.width, this.view.y + (before.y - after.y) / this.size.height);
  }

  panBy(dx, dy) {
    this.change(this.view.zoom, this.view.x - dx / (this.size.width * this.scale), this.view.y - dy / (this.size.height * this.scale));
  }

  // Shows a box, given in pixels of the picture, with as much again around it, but a pixel on no more than four of the page.
  goTo([x0, y0, x1, y1]) {
    const zoom = Math.min(4, this.room.width / (2 * (x1 - x0)), this.room.height / (2 * (y1 - y0))) / this.fit;
    this.change(zoom, (x0 + x1) / 2 / this.size.width, (y0 + y1) / 2 / this.size.height);
  }

  // The pointer ----------------------------------------------------------------------------------------------------------------------

  place(event) {
    const canvas = event.target.closest("canvas");
    if (!canvas) return null;
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  wheel(event) {
    const place = this.place(event);
    if (!place) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    this.zoomBy(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), place.x, place.y);
  }

  press(event) {
    const place = this.place(event);
    if (!place || event.button !== 0) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, place });
    event.target.setPointerCapture(event.pointerId);
  }

  move(event) {
    const held = this.pointers.get(event.pointerId);
    if (!held) { this.point(this.place(event)); return; }
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    const apart = other && Math.hypot(held.x - other.x, held.y - other.y);
    Object.assign(held, { x: event.clientX, y: event.clientY, place: { x: held.place.x + dx, y: held.place.y + dy } });
    if (!other) { this.panBy(dx, dy); return; }
    // Two fingers: the picture follows their middle, and grows as they part.
    const middle = { x: (held.place.x + other.place.x) / 2, y: (held.place.y + other.place.y) / 2 };
    this.panBy(dx / 2, dy / 2);
    if (apart > 0) this.zoomBy(Math.hypot(held.x - other.x, held.y - other.y) / apart, middle.x, middle.y);
  }

  release(event) { this.pointers.delete(event.pointerId); }

  // From the whole picture to its pixels one by one, or thrice as large where they already are; and back.
  doubleClick(event) {
    const place = this.place(event);
    if (!place) return;
    if (this.view.zoom > 1.01) this.reset();
    else this.zoomBy(this.scale < 0.9 ? 1 / this.scale : 3, place.x, place.y);
  }

  point(place) {
    const at = place && this.pictureAt(place.x, place.y);
    const inside = at && at.x >= 0 && at.y >= 0 && at.x < this.size.width && at.y < this.size.height;
    this.cross = inside ? at : null;
    this.onPoint(this.cross);
    this.schedule();
  }

  // Drawing --------------------------------------------------------------------------------------------------------------------------

  schedule() {
    if (!this.pending) this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
  }

  draw() {
    const sharp = devicePixelRatio || 1;
    const { width, height } = this.room;
    for (const { canvas, draw } of this.panels) {
      const size = [Math.round(width * sharp), Math.round(height * sharp)];
      if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
      const pen = canvas.getContext("2d");
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      const { origin, scale } = this;
      pen.setTransform(scale * sharp, 0, 0, scale * sharp, origin.x * sharp, origin.y * sharp);
      draw(pen, scale);
      if (this.cross && this.panels.length > 1) drawCross(pen, this.cross, scale);
    }
  }
}

// The place of the pointer, in the other panels too.
function drawCross(pen, { x, y }, scale) {
  const arm = 7 / scale;
  for (const [colour, width] of [["rgb(0 0 0 / .8)", 3], ["#fff", 1]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width / scale;
    pen.beginPath();
    pen.moveTo(x - arm, y); pen.lineTo(x + arm, y);
    pen.moveTo(x, y - arm); pen.lineTo(x, y + arm);
    pen.stroke();
  }
}
