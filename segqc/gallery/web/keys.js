// Keys. Letters and digits are commands everywhere but where text is typed; a list of choices keeps the keys that move in it.

const LAYER_KEYS = { o: "overlay", g: "truth", h: "heat", b: "box" };
const VERDICT_KEYS = { a: "accept", r: "reject", u: "unsure" };
const layerExists = (name) => (name === "truth" || name === "heat" ? HAS[name] : true);

function toggleLayer(name) {
  set(name === "overlay" && state.truth ? { truth: false, overlay: true } : { [name]: !state[name] });
}

function gridStep(key) {
  const inGrid = grid.list.contains(document.activeElement);
  // The first key press goes to the current card; later ones move from it.
  if (!inGrid) return ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "j", "k"].includes(key) ? 0 : null;
  return { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns, j: 1, k: -1,
    Home: -grid.rows.length, End: grid.rows.length }[key] ?? null;
}

function writeNote() {
  if (!detail.isOpen) {
    if (!grid.rows.length) return;
    open(grid.cursor);
  }
  byId("note").focus();
}

// The masks blink while the key is held: gone at once, and back every 0.4 s.
const BLINK = 400; // ms: slower than what WCAG 2.3.1 calls a flash
let blinkTimer = 0;

function blinkTo(off) {
  root.toggleAttribute("data-blink", off);
  detail.blink(off);
}

function startBlinking() {
  if (blinkTimer) return;
  blinkTo(true);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  blinkTimer = setInterval(() => { if (!still) blinkTo(!root.hasAttribute("data-blink")); }, BLINK);
}

function stopBlinking() {
  clearInterval(blinkTimer);
  blinkTimer = 0;
  blinkTo(false);
}

// Keys of any place. Returns whether the key was one.
function commonKey(key, event) {
  if (event.shiftKey && key === "a") { if (!detail.isOpen && !event.repeat) acceptShown(); }
  else if (key === "c") { if (detail.isOpen) say(detail.stepClass(event.shiftKey ? -1 : 1)); }
  else if (key in LAYER_KEYS && layerExists(LAYER_KEYS[key])) toggleLayer(LAYER_KEYS[key]);
  else if (key in VERDICT_KEYS) { if (!event.repeat) judgeAndMove(VERDICT_KEYS[key]); }
  else if (/^[1-9]$/.test(key)) { if (!event.repeat && review.tags[key - 1]) tagCurrent(review.tags[key - 1]); }
  else if (key === "v") startBlinking();
  else if (key === "z") undo();
  else if (key === "n") writeNote();
  else if (key === "?") byId("help").showModal();
  else return false;
  return true;
}

function detailKey(key, event) {
  const viewer = detail.viewer, PAN = 80;
  const pans = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
  const scrolling = event.target === byId("fields-box") && /^Arrow(Up|Down)$/.test(key);
  const step = { ArrowLeft: -1, ArrowUp: -1, k: -1, ArrowRight: 1, ArrowDown: 1, j: 1 }[key];
  if (key === "+" || key === "=") viewer.zoomBy(Viewer.STEP);
  else if (key === "-") viewer.zoomBy(1 / Viewer.STEP);
  else if (key === "0") viewer.reset();
  else if (key === "x") say(detail.stepObject(event.shiftKey ? -1 : 1));
  else if (key === "s") set({ single: !(state.single ?? narrow.matches) });
  else if (event.shiftKey && key in pans) viewer.panBy(...pans[key]);
  else if (step !== undefined && !scrolling) move(step);
  else return false;
  return true;
}

function gridKey(key, event) {
  if (key === "p" && scatter.axis !== null) set({ plot: !state.plot });
  else if (key === "/") { byId("side").checkVisibility() || showFilters(true); byId("search").focus(); byId("search").select(); }
  else if (key === "Enter" && event.target === document.body && grid.rows.length) open(grid.cursor);
  else {
    const step = event.target.closest(".errors") ? null : gridStep(key);
    if (step === null) return false;
    grid.focus(grid.cursor + step);
  }
  return true;
}

// Leaves the search box: Enter keeps what it finds, Escape clears the box and the filter at once.
function searchKey(event) {
  if (event.key === "Escape") {
    event.target.value = "";
    set({ query: "" });
  } else if (event.key !== "Enter") return;
  event.preventDefault();
  if (grid.rows.length) grid.focus(grid.cursor);
}

// Out of the field, not out of the view.
function fieldKey(event) {
  if (event.key !== "Escape") return;
  event.preventDefault();
  if (event.target === byId("own-tag")) event.target.value = "";
  byId("detail-title").focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === byId("note") || event.target === byId("own-tag")) { fieldKey(event); return; }
  if (event.target === byId("search")) { searchKey(event); return; }
  if (document.querySelector("dialog.small[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // A letter would choose in a list, and a filter would change unasked.
  const choosing = event.target.matches("select, input[type=range], input[type=radio]") && event.key.length > 1;
  if (choosing) return;
  if (commonKey(key, event) || (detail.isOpen ? detailKey(key, event) : gridKey(key, event))) event.preventDefault();
}
