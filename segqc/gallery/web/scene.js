// The pictures of one entry as panels draw them: photo, masks with outlines, heat map, boxes; with classes switched on and off.

const PANELS = [
  { title: "Photo", layers: [] },
  { title: DATA.judged, layers: ["prediction"] },
  { title: `${DATA.judged} in the other audit`, layers: ["other"] },
  { title: "Heat map", layers: ["heat"], legend: heatBar },
  { title: "Ground truth", layers: ["truth"] },
];

class Scene {
  constructor(row) {
    this.row = row;
    this.source = ""; // address of the original photo, where there is one
    this.size = { width: row.width || 4, height: row.height || 3 };
    this.photo = null;
    this.kind = "small"; // of the photo: "small", "preview" or "original"
    this.rasters = {};
    this.chosen = null; // the object that one has gone to
    this.hidden = new Set(); // labels of classes that are switched off
    this.drawings = new Map(); // mask -> { fill, outline }, for the classes that are on
  }

  // Small pictures first, then the best that can be had of all that is known of the row; `onChange` after each.
  async load(full, onChange) {
    const small = smallPictures(this.row), fine = finePictures(full);
    this.source = full.source;
    const take = async (packet) => { this.setRasters(await packet.rasters); onChange(); };
    const photo = async () => {
      if (!this.row.layers.includes("photo")) return;
      const first = decoded(small.photo);
      first.then((image) => { if (image && !this.photo) { this.photo = image; onChange(); } });
      const best = await bestPhoto(full, fine);
      if (best) [this.photo, this.kind] = [best.image, best.kind];
      else this.photo = await first;
      onChange();
    };
    await Promise.all([take(small).then(() => fine && take(fine)), photo()]);
  }

  setRasters(rasters) {
    Object.assign(this.rasters, rasters);
    this.heat = this.rasters.heat ? heatCanvas(this.rasters.heat) : null;
    this.drawings.clear();
    const present = new Set(MASKS.flatMap((name) => (this.rasters[name] ? presentLabels(this.rasters[name]) : [])));
    this.labels = [...present].filter((label) => label !== DATA.background).sort((a, b) => a - b);
  }

  drawingOf(name) {
    const raster = this.rasters[name];
    if (!raster) return null;
    if (!this.drawings.has(name)) {
      const drawn = drawnLabels(this.hidden);
      this.drawings.set(name, { fill: fillCanvas(raster, drawn), outline: outlinePath(raster, drawn) });
    }
    return this.drawings.get(name);
  }

  // Classes switched one by one -----------------------------------------------------------------------------------------------------

  setHidden(hidden) {
    this.hidden = hidden;
    this.drawings.clear();
  }

  toggle(label) {
    const hidden = new Set(this.hidden);
    if (!hidden.delete(label)) hidden.add(label);
    this.setHidden(hidden);
  }

  // All classes, then each alone, then all again. Returns the label that is alone, or null.
  step(direction) {
    const labels = this.labels ?? [];
    const shown = labels.filter((label) => !this.hidden.has(label));
    const alone = shown.length === 1 && labels.length > 1 ? labels.indexOf(shown[0]) : direction > 0 ? -1 : labels.length;
    const next = alone + direction;
    const label = next >= 0 && next < labels.length ? labels[next] : null;
    this.setHidden(new Set(label === null ? [] : labels.filter((other) => other !== label)));
    return label;
  }

  // What is known of a pixel of the picture: "cat, in the ground truth dog, heat 83 %".
  wordsAt({ x, y }) {
    const valueAt = ({ width, height, values }) =>
      values[Math.min(height - 1, Math.floor(y / this.size.height * height)) * width + Math.min(width - 1, Math.floor(x / this.size.width * width))];
    const { prediction, other, truth, heat } = this.rasters;
    const words = [`${Math.floor(x)}, ${Math.floor(y)}`];
    if (prediction) words.push(labelName(valueAt(prediction)));
    if (other) words.push(`other audit: ${labelName(valueAt(other))}`);
    if (truth) words.push(`truth: ${labelName(valueAt(truth))}`);
    if (heat) words.push(`heat ${Math.round(valueAt(heat) / 2.55)} %`);
    return words.join(" · ");
  }

  // What the photo is, if it is not the original at its full size.
  photoWords() {
    if (!this.photo) return this.row.problem || "";
    if (this.kind === "original" || this.photo.naturalWidth >= this.row.width) return "";
    return `Preview: ${formatNumber(this.photo.naturalWidth)} of ${formatNumber(this.row.width)} px wide` +
      (this.source ? "; the original is not where it was." : "; a browser cannot show the original.");
  }

  // Drawing in pixels of the picture; `scale` is how many px of the page one takes.
  draw(pen, scale, layers, { opacity, box, masks }) {
    const { width, height } = this.size;
    pen.imageSmoothingEnabled = scale < 4;
    pen.imageSmoothingQuality = "high";
    if (this.photo) pen.drawImage(this.photo, 0, 0, width, height);
    if (layers.includes("heat") && this.heat) {
      fillWith(pen, "saturation", "#808080", width, height); // grey, and darker: a quiet ground for the heat map's colours
      fillWith(pen, "source-over", "rgb(0 0 0 / .25)", width, height);
      pen.imageSmoothingEnabled = true;
      pen.drawImage(this.heat, 0, 0, width, height);
    }
    for (const name of masks ? MASKS.filter((mask) => layers.includes(mask)) : []) {
      const drawing = this.drawingOf(name);
      if (!drawing) continue;
      const { width: columns, height: lines } = this.rasters[name];
      pen.imageSmoothingEnabled = false;
      pen.globalAlpha = opacity;
      pen.drawImage(drawing.fill, 0, 0, width, height);
      pen.globalAlpha = 1;
      pen.save();
      pen.scale(width / columns, height / lines);
      strokeTwice(pen, drawing.outline, "#fff", 1.5, scale * width / columns);
      pen.restore();
    }
    if (box && this.row.worst_box) strokeTwice(pen, boxPath(...this.row.worst_box), "#ff4081", 2, scale);
    if (this.chosen) strokeTwice(pen, boxPath(this.chosen.x0, this.chosen.y0, this.chosen.x1, this.chosen.y1), "#00e5ff", 2, scale);
  }
}

function boxPath(x0, y0, x1, y1) {
  const path = new Path2D();
  path.rect(x0, y0, x1 - x0, y1 - y0);
  return path;
}

function fillWith(pen, mode, colour, width, height) {
  pen.globalCompositeOperation = mode;
  pen.fillStyle = colour;
  pen.fillRect(0, 0, width, height);
  pen.globalCompositeOperation = "source-over";
}

// A line in a colour over a wider dark one, in px of the page: it stands out on dark and on light ground.
function strokeTwice(pen, path, colour, width, scale) {
  for (const [style, thick] of [["rgb(0 0 0 / .85)", width + 2], [colour, width]]) {
    pen.strokeStyle = style;
    pen.lineWidth = thick / scale;
    pen.stroke(path);
  }
}
