// The large view of one entry: its pictures, all its fields, its verdict, reasons and note.

const FIRST_FIELDS = [
  "score", "dice", "decision", "p_value", "expected_dice", "rank", "rank_change", "other_rank", "other_score", "worst_class",
  "expected_class", "classes", "worst_box", "reason", "id",
];
// The status is "ok" of all that can be opened; the ends of the interval stand beside the expected Dice.
const NO_FIELDS = new Set(["index", "layers", "lot", "status", "source", "fine", "problem", "searched", "objects", "worst_object", "expected_dice_low", "expected_dice_high"]);
const isEmpty = (value) => !isKnown(value) || (Array.isArray(value) && !value.length);

function fieldText(name, value) {
  if (name === "score") return formatScore(value);
  if (name === "dice") return formatDice(value);
  if (name === "rank_change") return formatChange(value);
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "number") return formatNumber(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// What a calibration of objects says of one: "fail, IoU 0.00 to 0.31".
function judgedWords({ decision, expected_iou_low: low, expected_iou_high: high }) {
  return [decision, isKnown(low) && isKnown(high) ? `IoU ${low.toFixed(2)} to ${high.toFixed(2)}` : null].filter(isKnown).join(", ");
}

// Definition list of an object's fields; empty ones are left out.
function fieldList(fields, target) {
  target.replaceChildren();
  for (const [name, value] of Object.entries(fields)) {
    if (NO_FIELDS.has(name) || isEmpty(value)) continue;
    const words = element("dd", { text: fieldText(name, value), className: name === "score" || name === "dice" ? "big" : "" });
    if (name === "worst_class" || name === "expected_class") words.prepend(swatch(value));
    target.append(element("dt", { text: prettyName(name), title: meaningOf(name) }), words);
  }
}

class Detail {
  constructor(dialog, review, { onMove, onClose, onJudge, onNote, onTag, onNewTag, look }) {
    Object.assign(this, { dialog, review, look, row: null, objects: [], scene: null, blinking: false });
    this.note = document.getElementById("note");
    this.readout = document.getElementById("readout");
    this.viewer = new Viewer(document.getElementById("panels"), {
      onPoint: (at) => { this.readout.textContent = at ? this.scene.wordsAt(at) : this.scene?.photoWords() ?? ""; },
      onView: (scale, zoom) => {
        document.getElementById("zoom").textContent = `${Math.round(100 * scale)} %`;
        document.getElementById("panels").classList.toggle("zoomed", zoom > 1.01);
      },
    });
    dialog.addEventListener("close", onClose);
    // A click beside the dialog, on its backdrop, closes it.
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    const buttons = {
      close: () => dialog.close(), previous: () => onMove(-1), next: () => onMove(1),
      "zoom-in": () => this.viewer.zoomBy(Viewer.STEP), "zoom-out": () => this.viewer.zoomBy(1 / Viewer.STEP), "zoom-fit": () => this.viewer.reset(),
    };
    for (const [id, action] of Object.entries(buttons)) document.getElementById(id).addEventListener("click", action);
    for (const button of dialog.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => onJudge(button.dataset.verdict));
    this.note.addEventListener("input", () => onNote(this.row, this.note.value));
    document.getElementById("tags").addEventListener("click", (event) => {
      const button = event.target.closest("[data-tag]");
      if (button) onTag(button.dataset.tag);
    });
    document.getElementById("own-tag").addEventListener("change", (event) => {
      const tag = event.target.value.trim();
      event.target.value = "";
      if (tag) onNewTag(tag);
    });
    document.getElementById("objects").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.goToObject([...button.closest("ol").children].indexOf(button.parentNode));
    });
    document.getElementById("classes-shown").addEventListener("click", (event) => {
      const button = event.target.closest("[data-label]");
      if (button) this.switchClass(Number(button.dataset.label));
    });
  }

  get isOpen() { return this.dialog.open; }

  show(row, place, count) {
    document.getElementById("detail-place").textContent = `${formatNumber(place + 1)} of ${formatNumber(count)}`;
    // Not `disabled`, which would take the focus away from the button that has just been pressed.
    document.getElementById("previous").setAttribute("aria-disabled", place === 0);
    document.getElementById("next").setAttribute("aria-disabled", place === count - 1);
    const opening = !this.dialog.open;
    if (opening) this.dialog.showModal(); // before the pictures are laid out: a closed dialog has no size
    if (this.row !== row || opening) this.draw(row);
    this.repaint();
    if (opening) document.getElementById("detail-title").focus(); // what is open is the first thing heard, not a button
  }

  draw(row) {
    this.row = row;
    document.getElementById("detail-title").textContent = `#${row.rank ?? "–"}  ${row.id}`;
    const scene = this.scene = new Scene(row);
    this.readout.textContent = "";
    this.layOut();
    this.fillClasses();
    this.fillObjects([]);
    document.getElementById("fields").replaceChildren();
    withDetails(row, (full) => { if (this.scene === scene) this.fill(full); });
  }

  // All that is known of the row that is shown.
  fill(full) {
    const { scene } = this;
    scene.load(full, () => {
      if (this.scene !== scene) return;
      this.fillClasses();
      this.readout.textContent = scene.photoWords();
      this.viewer.schedule();
    });
    this.fillObjects(full.objects);
    const first = FIRST_FIELDS.filter((name) => Object.hasOwn(full, name)).map((name) => [name, full[name]]);
    const { expected_dice: expected, expected_dice_low: low, expected_dice_high: high } = full;
    const interval = isKnown(low) && isKnown(high) ? { expected_dice: `${expected.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})` } : {};
    fieldList({ ...Object.fromEntries(first), ...full, ...interval }, document.getElementById("fields"));
    document.getElementById("fields-box").scrollTop = 0;
  }

  // One panel with the layers that are switched on, or a panel for each of them.
  layOut() {
    const { row, scene } = this, { single } = this.look();
    const wanted = single ? [{ title: "", layers: null }] : PANELS.filter(({ layers }) => !layers.length || layers.some((layer) => row.layers.includes(layer)));
    const panels = wanted.map(({ title, layers, legend }) => {
      const names = title || "Photo with the layers that are on";
      const canvas = element("canvas", { role: "img", "aria-label": `${names} of ${row.id}` });
      const figure = element("figure", { className: "panel" },
        element("figcaption", {}, element("span", { text: title }), legend ? legend() : null), canvas);
      return { figure, canvas, draw: (pen, scale) => scene.draw(pen, scale, layers ?? this.singleLayers(), this.drawnNow()) };
    });
    const stage = document.getElementById("panels");
    stage.replaceChildren(...panels.map(({ figure }) => figure));
    stage.classList.toggle("single", single);
    this.viewer.show(panels, scene.size);
  }

  singleLayers() {
    const { mask, heat } = this.look();
    return [mask, heat ? "heat" : null].filter(Boolean);
  }

  drawnNow() {
    const { opacity, box } = this.look();
    return { opacity, box, masks: !this.blinking };
  }

  // Layers, opacity or blinking have changed.
  redraw() { if (this.isOpen) this.viewer.schedule(); }

  blink(off) {
    this.blinking = off;
    this.redraw();
  }

  // Classes --------------------------------------------------------------------------------------------------------------------------

  fillClasses() {
    const list = document.getElementById("classes-shown");
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.label : null;
    list.replaceChildren(...(this.scene.labels ?? []).map((label) => {
      const name = labelName(label);
      return element("button", {
        type: "button", className: "toggle chip", "data-label": label, "aria-pressed": !this.scene.hidden.has(label),
      }, swatch(name), name);
    }));
    if (focused !== null) list.querySelector(`[data-label="${focused}"]`)?.focus();
  }

  switchClass(label) {
    this.scene.toggle(label);
    this.fillClasses();
    this.viewer.schedule();
  }

  // Returns what is shown now, in words.
  stepClass(direction) {
    const label = this.scene.step(direction);
    this.fillClasses();
    this.viewer.schedule();
    return label === null ? "All classes are shown." : `Only ${labelName(label)} is shown.`;
  }

  // Objects, the worst first ---------------------------------------------------------------------------------------------------------

  fillObjects(objects) {
    this.objects = objects;
    document.getElementById("objects-part").hidden = !objects.length;
    document.getElementById("objects").replaceChildren(...objects.map((found) => {
      const { kind, class: name, expected_class: expected, score } = found;
      const words = kind === "missed" ? `missed ${expected || name}` : expected && expected !== name ? `${name} → ${expected}` : name;
      const judged = judgedWords(found);
      return element("li", {}, element("button", { type: "button", className: "object", "aria-pressed": "false" },
        swatch(kind === "missed" ? expected || name : name), element("span", { text: words }),
        judged ? element("span", { className: "judged", text: judged }) : null, element("span", { className: "number", text: score.toFixed(2) })));
    }));
  }

  // Shows the object at `place` of the list, as large as its surroundings allow.
  goToObject(place) {
    const found = this.objects[place];
    this.scene.chosen = found;
    [...document.getElementById("objects").children].forEach((item, index) => item.firstChild.setAttribute("aria-pressed", index === place));
    this.viewer.goTo([found.x0, found.y0, found.x1, found.y1]);
  }

  // The next or the one before, round and round. Returns what it is, in words.
  stepObject(direction) {
    const { objects } = this;
    if (!objects.length) return "No objects are listed.";
    const before = objects.indexOf(this.scene.chosen);
    const place = before < 0 ? (direction > 0 ? 0 : objects.length - 1) : (before + direction + objects.length) % objects.length;
    this.goToObject(place);
    return `Object ${place + 1} of ${objects.length}: ${[...document.querySelectorAll(`#objects li:nth-child(${place + 1}) span`)].map((part) => part.textContent).filter(Boolean).join(", ")}.`;
  }

  // Brings verdict, reasons and note up to date with the review.
  repaint() {
    const { id } = this.row, verdict = this.review.verdictOf(id);
    for (const button of this.dialog.querySelectorAll("[data-verdict]")) {
      button.setAttribute("aria-pressed", button.dataset.verdict === verdict);
    }
    const list = document.getElementById("tags"), given = this.review.tagsOf(id);
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.tag : null;
    list.replaceChildren(...this.review.tags.map((tag, place) => element("button", {
      type: "button", className: "toggle chip", "data-tag": tag, "aria-pressed": given.includes(tag),
    }, place < 9 ? element("kbd", { text: String(place + 1) }) : null, tag)));
    if (focused) [...list.children].find((button) => button.dataset.tag === focused)?.focus();
    const note = this.review.noteOf(id);
    if (this.note.value !== note) this.note.value = note;
  }
}
