// Theme, keys, and the start of the page.

const darkQuery = matchMedia("(prefers-color-scheme: dark)");
let theme = null; // null follows the system
try { theme = localStorage.getItem("segqc-theme"); } catch { /* a browser may forbid storage to files: the system's choice it is */ }

function applyTheme() {
  root.dataset.theme = theme ?? (darkQuery.matches ? "dark" : "light");
  scatter.schedule();
}

function switchTheme() {
  theme = root.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("segqc-theme", theme); } catch { /* as above: the choice lasts as long as the page */ }
  applyTheme();
}

// Keys -----------------------------------------------------------------------------------------------------------------------------

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

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === byId("note")) {
    if (event.key !== "Escape") return;
    byId("detail-title").focus(); // out of the note, not out of the view
    event.preventDefault();
    return;
  }
  const typing = event.target.matches("input[type=search], select");
  const choosing = event.target.matches("input[type=range], input[type=radio]") && event.key.startsWith("Arrow");
  if (event.target === byId("search") && event.key === "Escape") { byId("search").blur(); return; }
  if (typing || choosing || document.querySelector("dialog.small[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key in LAYER_KEYS && layerExists(LAYER_KEYS[key])) toggleLayer(LAYER_KEYS[key]);
  else if (key in VERDICT_KEYS) { if (!event.repeat) judgeAndMove(VERDICT_KEYS[key]); }
  else if (key === "z") undo();
  else if (key === "n") writeNote();
  else if (key === "?") byId("help").showModal();
  else if (detail.isOpen) {
    const scrolling = event.target === byId("fields") && /^Arrow(Up|Down)$/.test(key);
    const step = scrolling ? undefined : { ArrowLeft: -1, ArrowUp: -1, k: -1, ArrowRight: 1, ArrowDown: 1, j: 1 }[key];
    if (step === undefined) return;
    move(step);
  } else if (key === "p" && scatter.axis !== null) set({ plot: !state.plot });
  else if (key === "/") {
    byId("search").focus();
    byId("search").select();
  } else {
    const step = event.target.closest(".errors") ? null : gridStep(key);
    if (step === null) return;
    grid.focus(grid.cursor + step);
  }
  event.preventDefault();
}

// Start ----------------------------------------------------------------------------------------------------------------------------

function fillHeader() {
  const facts = [["Scored", SCORED.length], ["Errors", FAILED.length], ...Object.entries(DATA.facts)];
  byId("facts").replaceChildren(...facts.map(([name, value]) =>
    element("div", {}, element("dt", { text: prettyName(name) }), element("dd", { text: formatNumber(value) }))));
  fieldList(DATA.summary, byId("about-fields"));
  byId("about-button").hidden = !Object.keys(DATA.summary).length;
}

function fillSide() {
  byId("sort").replaceChildren(...Object.entries(ORDERS).map(([value, { label }]) => element("option", { value, text: label })));
  byId("review-filter").replaceChildren(...Object.keys(REVIEW_FILTERS).map((value) => element("option", { value })));
  byId("ranges").replaceChildren(...ranges.map(({ section }) => section));
  byId("decision-section").hidden = !DECISIONS.length;
  segmented("status", STATUSES, (status) => set({ status }));
  const modes = Object.fromEntries(Object.entries(CLASS_MODES).map(([mode, { label }]) => [mode, label]));
  segmented("class-mode", modes, (mode) => set({ mode }));
  byId("search").addEventListener("input", (event) => set({ query: event.target.value }));
  byId("sort").addEventListener("change", (event) => set({ sort: event.target.value, down: ORDERS[event.target.value].down }));
  byId("review-filter").addEventListener("change", (event) => set({ review: event.target.value }));
  byId("direction").addEventListener("click", () => set({ down: !state.down }));
  byId("class-clear").addEventListener("click", () => set({ classes: [] }));
  byId("reset").addEventListener("click", () => {
    byId("search").value = "";
    set(Object.fromEntries(FILTERS.map((name) => [name, DEFAULTS[name]])));
  });
}

function start() {
  applyTheme();
  darkQuery.addEventListener("change", applyTheme);
  fillHeader();
  fillSide();
  byId("opacity").addEventListener("input", (event) => set({ opacity: Number(event.target.value) }));
  for (const button of document.querySelectorAll("[data-layer]")) {
    button.hidden = !layerExists(button.dataset.layer);
    button.addEventListener("click", () => toggleLayer(button.dataset.layer));
  }
  for (const button of byId("judge-bar").querySelectorAll("[data-verdict]")) {
    button.addEventListener("click", () => judgeAndMove(button.dataset.verdict));
  }
  byId("plot-button").hidden = scatter.axis === null;
  byId("plot-button").addEventListener("click", () => set({ plot: !state.plot }));
  byId("save").addEventListener("click", saveReview);
  byId("load").addEventListener("click", () => byId("load-file").click());
  byId("load-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same file can be loaded again
    if (file) loadReview(file);
  });
  byId("filters-button").addEventListener("click", () => {
    const shown = root.toggleAttribute("data-filters");
    byId("filters-button").setAttribute("aria-expanded", shown);
  });
  byId("theme-button").addEventListener("click", switchTheme);
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("about-button").addEventListener("click", () => byId("about").showModal());
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); grid.focus(grid.cursor); });
  addEventListener("keydown", onKey);
  addEventListener("hashchange", () => { state = stateFromHash(location.hash); update(null); });
  // Another tab with the same audit has gone on: so does this one.
  addEventListener("storage", (event) => {
    if (event.key !== review.place) return;
    review.read();
    updateContent(true);
  });
  addEventListener("beforeunload", (event) => { if (!review.keeps && review.unsaved) event.preventDefault(); });
  update(null);
}

start();
