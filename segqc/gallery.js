// The page: controls, keys, address. Everything shown follows from `state`; `update` writes the state to the page and to the address.

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
let state = stateFromHash(location.hash);

const grid = new VirtualGrid(byId("scroller"), byId("grid"), (place) => open(place));
const detail = new Detail(byId("detail"), (step) => move(step), () => {
  // The browser has given the focus back to the card that opened the view; it belongs to the one shown last.
  const place = grid.rows.findIndex((row) => row.id === state.open);
  set({ open: null });
  grid.focus(place < 0 ? grid.cursor : place);
});

function set(changes) {
  const before = state;
  state = { ...state, ...changes };
  const address = hashFromState(state);
  history.replaceState(null, "", address ? `#${address}` : location.href.split("#")[0]);
  update(before);
}

function open(place) {
  grid.setCursor(place);
  set({ open: grid.rows[place].id });
}

function move(step) {
  const place = Math.min(grid.rows.length - 1, Math.max(0, grid.cursor + step));
  if (place !== grid.cursor) open(place);
}

// Page from state ------------------------------------------------------------------------------------------------------------

const CONTENT = ["sort", "down", "query", "status", "low", "high", "mode", "classes"];

function update(before) {
  if (!before || CONTENT.some((name) => before[name] !== state[name])) updateContent();
  for (const name of ["overlay", "truth", "heat", "box"]) {
    root.toggleAttribute(`data-${name}`, state[name]);
    // The ground truth stands in the prediction's place: one of the two buttons is down, never both.
    const pressed = state[name] && !(name === "overlay" && state.truth);
    document.querySelector(`[data-layer="${name}"]`).setAttribute("aria-pressed", pressed);
  }
  root.style.setProperty("--overlay", state.opacity / 100);
  byId("opacity").value = state.opacity;
  updateDetail();
}

function updateContent() {
  const shown = state.status === "error" ? [] : sorted(matching(SCORED, state), state);
  const failed = state.status === "ok" ? [] : matching(FAILED, state);
  grid.show(shown);
  byId("scroller").scrollTop = 0;
  updateErrors(failed);
  byId("empty").hidden = shown.length + failed.length > 0;
  const errors = failed.length ? `, ${formatNumber(failed.length)} ${failed.length === 1 ? "error" : "errors"}` : "";
  byId("count").textContent = `${formatNumber(shown.length)} of ${formatNumber(SCORED.length)} shown${errors}`;
  byId("reset").hidden = !isFiltered(state);

  if (document.activeElement !== byId("search")) byId("search").value = state.query;
  byId("sort").value = state.sort;
  byId("direction").textContent = state.down ? "↓" : "↑";
  byId("direction").setAttribute("aria-label", state.down ? "Descending; switch to ascending" : "Ascending; switch to descending");
  byId("direction").title = state.down ? "Descending" : "Ascending";
  check("status", state.status);
  check("class-mode", state.mode);
  updateScoreRange();
  updateLegend();
}

const LONGEST_ERROR_LIST = 1000;

function updateErrors(failed) {
  byId("errors").hidden = !failed.length;
  byId("errors").open ||= state.status === "error";
  byId("errors-summary").textContent = `${formatNumber(failed.length)} ${failed.length === 1 ? "pair" : "pairs"} could not be scored`;
  const lines = failed.slice(0, LONGEST_ERROR_LIST).map((row) =>
    element("tr", {}, element("td", { text: row.id }), element("td", { text: row.reason || "no reason given" })));
  const more = failed.length - lines.length;
  if (more > 0) lines.push(element("tr", {}, element("td", { text: `and ${formatNumber(more)} more: see scores.csv`, colspan: "2" })));
  byId("errors-body").replaceChildren(...lines);
}

function updateDetail() {
  const place = state.open === null ? -1 : grid.rows.findIndex((row) => row.id === state.open);
  if (place >= 0) {
    grid.setCursor(place);
    detail.show(grid.rows[place], place, grid.rows.length);
  } else if (detail.isOpen) {
    byId("detail").close();
  }
}

// Score range ------------------------------------------------------------------------------------------------------------------

const STEPS = 200, BINS = 40;
const scoreAt = (step) => RANGE.low + (RANGE.high - RANGE.low) * step / STEPS;
const stepOf = (score) => Math.round(STEPS * (score - RANGE.low) / (RANGE.high - RANGE.low || 1));

function drawHistogram() {
  const counts = new Array(BINS).fill(0);
  for (const score of SCORES) counts[Math.min(BINS - 1, Math.floor(BINS * (score - RANGE.low) / (RANGE.high - RANGE.low || 1)))] += 1;
  const tallest = Math.max(1, ...counts);
  byId("histogram").setAttribute("viewBox", `0 0 ${BINS} 1`);
  byId("histogram").replaceChildren(...counts.map((count, bin) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = count ? Math.max(0.04, Math.sqrt(count / tallest)) : 0; // square root: rare scores stay visible
    for (const [name, value] of Object.entries({ x: bin + 0.08, y: 1 - height, width: 0.84, height })) bar.setAttribute(name, value);
    return bar;
  }));
}

function updateScoreRange() {
  const low = state.low === null ? 0 : stepOf(state.low);
  const high = state.high === null ? STEPS : stepOf(state.high);
  byId("low").value = low;
  byId("high").value = high;
  byId("low-text").textContent = formatScore(state.low ?? RANGE.low);
  byId("high-text").textContent = formatScore(state.high ?? RANGE.high);
  byId("low").setAttribute("aria-valuetext", byId("low-text").textContent);
  byId("high").setAttribute("aria-valuetext", byId("high-text").textContent);
  [...byId("histogram").children].forEach((bar, bin) => {
    const middle = (bin + 0.5) * STEPS / BINS;
    bar.classList.toggle("in", middle >= low && middle <= high);
  });
  // Where the two handles meet, the one that can still move lies on top.
  byId("low").style.zIndex = low > STEPS / 2 ? 1 : 0;
}

function setScoreRange(end) {
  let low = Number(byId("low").value), high = Number(byId("high").value);
  if (low > high) [low, high] = end === "low" ? [high, high] : [low, low];
  const rounded = (step) => Number(scoreAt(step).toPrecision(6));
  set({ low: low === 0 ? null : rounded(low), high: high === STEPS ? null : rounded(high) });
}

// Choices ------------------------------------------------------------------------------------------------------------------------

function segmented(id, options, onChoose) {
  byId(id).replaceChildren(...Object.entries(options).map(([value, text]) => {
    const input = element("input", { type: "radio", name: id, value });
    input.addEventListener("change", () => onChoose(value));
    return element("label", {}, input, text);
  }));
}

function check(id, value) {
  for (const input of byId(id).querySelectorAll("input")) input.checked = input.value === value;
}

function updateLegend() {
  const { classesOf } = CLASS_MODES[state.mode];
  const counts = new Map();
  for (const row of SCORED) for (const name of classesOf(row)) counts.set(name, (counts.get(name) ?? 0) + 1);
  // Every class that occurs in any way has its colour here; those that this mode never shows are dimmed.
  const seen = new Set(SCORED.flatMap((row) => [...row.classes, row.worst_class, row.expected_class]));
  const names = DATA.classes.map(({ name }) => name).filter((name) => seen.has(name) || state.classes.includes(name));
  const focused = document.activeElement?.closest("#legend") ? document.activeElement.value : null;
  byId("legend").replaceChildren(...names.map((name) => {
    const input = element("input", { type: "checkbox", value: name });
    input.checked = state.classes.includes(name);
    input.addEventListener("change", () =>
      set({ classes: input.checked ? [...state.classes, name] : state.classes.filter((other) => other !== name) }));
    return element("li", {}, element("label", { className: counts.has(name) ? "" : "none" }, input, swatch(name),
      element("span", { className: "name", text: name, title: name }),
      element("span", { className: "number", text: formatNumber(counts.get(name) ?? 0) })));
  }));
  if (focused !== null) [...byId("legend").querySelectorAll("input")].find((input) => input.value === focused)?.focus();
  byId("class-clear").hidden = !state.classes.length;
}

// Theme ----------------------------------------------------------------------------------------------------------------------------

const darkQuery = matchMedia("(prefers-color-scheme: dark)");
let theme = null; // null follows the system
try { theme = localStorage.getItem("segqc-theme"); } catch { /* a browser may forbid storage to files: the system's choice it is */ }

function applyTheme() {
  root.dataset.theme = theme ?? (darkQuery.matches ? "dark" : "light");
}

function switchTheme() {
  theme = root.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("segqc-theme", theme); } catch { /* as above: the choice lasts as long as the page */ }
  applyTheme();
}

// Keys -----------------------------------------------------------------------------------------------------------------------------

const LAYER_KEYS = { o: "overlay", g: "truth", h: "heat", b: "box" };
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

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input[type=search], select");
  const choosing = event.target.matches("input[type=range], input[type=radio]") && event.key.startsWith("Arrow");
  if (event.target === byId("search") && event.key === "Escape") { byId("search").blur(); return; }
  if (typing || choosing) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const smallDialog = byId("help").open || byId("about").open;
  if (smallDialog) return;
  if (key in LAYER_KEYS && layerExists(LAYER_KEYS[key])) {
    toggleLayer(LAYER_KEYS[key]);
  } else if (key === "?") {
    byId("help").showModal();
  } else if (detail.isOpen) {
    const scrolling = event.target === byId("fields") && /^Arrow(Up|Down)$/.test(key);
    const step = scrolling ? undefined : { ArrowLeft: -1, ArrowUp: -1, k: -1, ArrowRight: 1, ArrowDown: 1, j: 1 }[key];
    if (step === undefined) return;
    move(step);
  } else if (key === "/") {
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

function start() {
  applyTheme();
  darkQuery.addEventListener("change", applyTheme);
  fillHeader();
  drawHistogram();
  byId("sort").replaceChildren(...Object.entries(ORDERS).map(([value, { label }]) => element("option", { value, text: label })));
  segmented("status", STATUSES, (status) => set({ status }));
  const modes = Object.fromEntries(Object.entries(CLASS_MODES).map(([mode, { label }]) => [mode, label]));
  segmented("class-mode", modes, (mode) => set({ mode }));
  byId("search").addEventListener("input", (event) => set({ query: event.target.value }));
  byId("sort").addEventListener("change", (event) => set({ sort: event.target.value, down: ORDERS[event.target.value].down }));
  byId("direction").addEventListener("click", () => set({ down: !state.down }));
  for (const end of ["low", "high"]) byId(end).addEventListener("input", () => setScoreRange(end));
  byId("opacity").addEventListener("input", (event) => set({ opacity: Number(event.target.value) }));
  byId("class-clear").addEventListener("click", () => set({ classes: [] }));
  byId("reset").addEventListener("click", () => {
    const { query, low, high, classes, status } = DEFAULTS;
    byId("search").value = "";
    set({ query, low, high, classes, status });
  });
  for (const button of document.querySelectorAll("[data-layer]")) {
    button.hidden = !layerExists(button.dataset.layer);
    button.addEventListener("click", () => toggleLayer(button.dataset.layer));
  }
  byId("theme-button").addEventListener("click", switchTheme);
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("about-button").addEventListener("click", () => byId("about").showModal());
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); grid.focus(grid.cursor); });
  addEventListener("keydown", onKey);
  addEventListener("hashchange", () => { state = stateFromHash(location.hash); update(null); });
  update(null);
}

start();
