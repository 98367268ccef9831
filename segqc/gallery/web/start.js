// Theme, what is filled in once, and the start of the page.

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

function showFilters(shown) {
  root.toggleAttribute("data-filters", shown);
  byId("filters-button").setAttribute("aria-expanded", shown);
}

function showMore(shown) {
  root.toggleAttribute("data-more", shown);
  byId("more-button").setAttribute("aria-expanded", shown);
}

function fillHeader() {
  byId("facts").replaceChildren(...Object.entries(DATA.facts).map(([name, value]) =>
    element("div", {}, element("dt", { text: prettyName(name) }), element("dd", { text: formatNumber(value) }))));
  for (const intro of document.querySelectorAll("[data-intro]")) intro.textContent = DATA.intro;
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
  byId("search").addEventListener("input", (event) => setSoon({ query: event.target.value }));
  byId("sort").addEventListener("change", (event) => set({ sort: event.target.value, down: ORDERS[event.target.value].down }));
  byId("review-filter").addEventListener("change", (event) => set({ review: event.target.value }));
  byId("direction").addEventListener("click", () => set({ down: !state.down }));
  byId("class-clear").addEventListener("click", () => set({ classes: [] }));
  byId("reset").addEventListener("click", resetFilters);
  byId("empty-reset").addEventListener("click", resetFilters);
  byId("sample-button").addEventListener("click", switchSample);
}

function connectButtons() {
  for (const slider of document.querySelectorAll(".opacity input")) {
    slider.addEventListener("input", (event) => setSoon({ opacity: Number(event.target.value) }));
  }
  for (const button of document.querySelectorAll("[data-layer]")) {
    button.hidden = !layerExists(button.dataset.layer);
    button.addEventListener("click", () => toggleLayer(button.dataset.layer));
  }
  for (const button of byId("judge-bar").querySelectorAll("[data-verdict]")) {
    button.addEventListener("click", () => judgeAndMove(button.dataset.verdict));
  }
  byId("accept-shown").addEventListener("click", acceptShown);
  byId("single-button").addEventListener("click", () => set({ single: !(state.single ?? narrow.matches) }));
  byId("blink").addEventListener("pointerdown", startBlinking);
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) byId("blink").addEventListener(name, stopBlinking);
  byId("plot-button").hidden = scatter.axis === null;
  byId("plot-button").addEventListener("click", () => set({ plot: !state.plot }));
  byId("save").addEventListener("click", saveReview);
  byId("load").addEventListener("click", () => byId("load-file").click());
  byId("load-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same file can be loaded again
    if (file) loadReview(file);
  });
  byId("filters-button").addEventListener("click", () => showFilters(!root.hasAttribute("data-filters")));
  byId("more-button").addEventListener("click", () => showMore(!root.hasAttribute("data-more")));
  byId("theme-button").addEventListener("click", switchTheme);
  for (const button of document.querySelectorAll("[data-help]")) button.addEventListener("click", () => byId("help").showModal());
  byId("about-button").addEventListener("click", () => byId("about").showModal());
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); grid.focus(grid.cursor); });
}

function start() {
  applyTheme();
  darkQuery.addEventListener("change", applyTheme);
  narrow.addEventListener("change", () => { update(state); if (detail.isOpen) detail.layOut(); });
  fillHeader();
  fillSide();
  connectButtons();
  addEventListener("keydown", onKey);
  addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "v") stopBlinking(); });
  addEventListener("blur", stopBlinking);
  addEventListener("hashchange", () => { state = stateFromHash(location.hash); update(null); });
  // Another tab with the same audit has gone on: so does this one.
  addEventListener("storage", (event) => {
    if (event.key !== review.place) return;
    review.read();
    updateContent();
    grid.repaint();
  });
  addEventListener("beforeunload", (event) => { if (!review.keeps && review.unsaved) event.preventDefault(); });
  update(null);
}

start();
