// The page: what ties the parts together. Everything shown follows from `state` and `review`; `update` writes the state to the page and to the address.

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const narrow = matchMedia("(max-width: 860px)");
let state = stateFromHash(location.hash);

const review = new Review(SCORED, DATA.audit);
const verdictOf = (id) => review.verdictOf(id);

const grid = new VirtualGrid(byId("scroller"), byId("grid"), review, {
  onOpen: (place) => open(place),
  onJudge: (place, verdict) => judge(grid.rows[place], verdict),
  onCursor: () => updateCurrent(),
  wanted: () => wantedLayers(state),
});
const detail = new Detail(byId("detail"), review, {
  onMove: (step) => move(step),
  onJudge: (verdict) => judgeAndMove(verdict),
  onNote: (row, note) => { review.write(row.id, note); reviewed(row); },
  onTag: (tag) => tagCurrent(tag),
  onNewTag: (tag) => { review.addTag(tag); tagCurrent(tag); },
  look: () => ({ ...wantedLayers(state), box: state.box, single: state.single ?? narrow.matches }),
  onClose: () => {
    // The browser has given the focus back to the card that opened the view; it belongs to the one shown last.
    const last = state.open;
    set({ open: null });
    if (state.review !== "all") updateContent(); // what was judged in it may have to go now
    const place = grid.rows.findIndex((row) => row.id === last);
    grid.focus(place < 0 ? grid.cursor : place);
  },
});
const scatter = new Scatter(byId("plot"), review, {
  onPick: (row) => {
    const place = grid.rows.indexOf(row);
    if (place >= 0) grid.focus(place);
    else say(`${row.id} is not among what the filters show.`);
  },
  onSelect: (selected) => set({ ranges: { ...state.ranges, ...selected } }),
});
const ranges = Object.keys(RANGES).map((name) => new RangeFilter(name, (changed, low, high) => {
  const { [changed]: _, ...others } = state.ranges;
  setSoon({ ranges: low === null && high === null ? others : { ...others, [changed]: { low, high } } });
}));

const CONTENT = ["sort", "down", "mode", ...FILTERS];
const TICKS = ["mode", "classes", "decisions"];
const differ = (names, a, b) => names.some((name) => a[name] !== b[name]);

function set(changes) {
  const before = state;
  state = { ...state, ...changes };
  // Whoever sorts or filters the sample has left it.
  if (before.sample && state.sample && differ(CONTENT, before, state)) state.sample = false;
  writeAddress(before.open !== null && state.open === null);
  keepFocus(() => update(before));
}

// For what changes many times a frame, as a slider does: the page follows in the next frame.
let soon = null;

function setSoon(changes) {
  if (soon === null) requestAnimationFrame(() => { const all = soon; soon = null; set(all); });
  soon = { ...soon, ...changes };
}

// The focus is never lost: where its element has gone, is hidden or can no longer be used, it goes to the current card.
function keepFocus(action) {
  const before = document.activeElement;
  action();
  if (before === document.body || detail.isOpen || document.querySelector("dialog[open]")) return;
  if (before.isConnected && !before.disabled && before.checkVisibility()) return;
  if (grid.rows.length) grid.focus(grid.cursor);
  else byId(byId("empty").hidden ? "search" : "empty-reset").focus();
}

// Browsers refuse more than some 20 changes of the address a second, and complain: a slider makes more.
const ADDRESS_PAUSE = 100; // ms
let addressTimer = 0, addressAgain = false;

// That the large view was closed is written at once: a page that is loaded again must not open it.
function writeAddress(atOnce = false) {
  if (addressTimer && !atOnce) { addressAgain = true; return; }
  clearTimeout(addressTimer);
  const address = hashFromState(state);
  history.replaceState(null, "", address ? `#${address}` : location.href.split("#")[0]);
  addressTimer = setTimeout(() => {
    addressTimer = 0;
    if (addressAgain) { addressAgain = false; writeAddress(); }
  }, ADDRESS_PAUSE);
}

function open(place) {
  grid.setCursor(place);
  set({ open: grid.rows[place].id });
}

function move(step) {
  const place = Math.min(grid.rows.length - 1, Math.max(0, grid.cursor + step));
  if (place !== grid.cursor) open(place);
  else say(step > 0 ? "This is the last one." : "This is the first one.");
}

function resetFilters() {
  byId("search").value = "";
  set(Object.fromEntries(FILTERS.map((name) => [name, DEFAULTS[name]])));
}

// Page from state ------------------------------------------------------------------------------------------------------------------

const LAYER_NAMES = ["overlay", "truth", "heat", "box"];

function update(before) {
  if (!before || differ(CONTENT, before, state)) updateContent(!before || differ(["sort", "down"], before, state));
  if (!before || differ(TICKS, before, state)) updateTicks();
  if (!before || differ(["sample"], before, state)) updateSample();
  for (const name of LAYER_NAMES) {
    // The ground truth stands in the prediction's place: one of the two buttons is down, never both.
    const pressed = state[name] && !(name === "overlay" && state.truth);
    for (const button of document.querySelectorAll(`[data-layer="${name}"]`)) button.setAttribute("aria-pressed", pressed);
  }
  root.toggleAttribute("data-box", state.box);
  for (const slider of document.querySelectorAll(".opacity input")) slider.value = state.opacity;
  if (before && differ([...LAYER_NAMES, "opacity"], before, state)) {
    grid.repaintPictures();
    detail.redraw();
  }
  byId("single-button").setAttribute("aria-pressed", state.single ?? narrow.matches);
  if (before && before.single !== state.single && detail.isOpen) detail.layOut();
  const plotted = state.plot && scatter.axis !== null;
  byId("plot-button").setAttribute("aria-pressed", plotted);
  if (byId("plot").hidden === plotted) {
    byId("plot").hidden = !plotted;
    scatter.schedule();
  }
  updateDetail();
}

// `fromStart`: another order is read from its beginning; with another filter the reader stays where they are.
function updateContent(fromStart = false) {
  const shown = shownRows(state, verdictOf);
  const failed = state.status === "ok" ? [] : matching(FAILED, state, verdictOf);
  if (fromStart) byId("scroller").scrollTop = 0;
  grid.show(shown, fromStart);
  if (shown.length && !fromStart) grid.reveal(grid.cursor);
  scatter.show(shown);
  updateErrors(failed);
  byId("empty").hidden = shown.length + failed.length > 0;
  const errors = failed.length ? `, ${counted(failed.length, "error")}` : "";
  byId("count").textContent = `${formatNumber(shown.length)} of ${formatNumber(SCORED.length)} shown${errors}`;
  byId("reset").hidden = byId("empty-reset").hidden = !isFiltered(state);

  if (document.activeElement !== byId("search")) byId("search").value = state.query;
  byId("sort").value = state.sort;
  byId("direction").textContent = state.down ? "↓" : "↑";
  byId("direction").setAttribute("aria-label", state.down ? "Descending; switch to ascending" : "Ascending; switch to descending");
  byId("direction").title = state.down ? "Descending" : "Ascending";
  check("status", state.status);
  check("class-mode", state.mode);
  for (const range of ranges) range.show(state.ranges[range.name]);
  updateReview();
}

const LONGEST_ERROR_LIST = 1000;

function updateErrors(failed) {
  byId("errors").hidden = !failed.length;
  byId("errors").open ||= state.status === "error";
  byId("errors-summary").textContent = `${counted(failed.length, "pair")} could not be scored`;
  const lines = failed.slice(0, LONGEST_ERROR_LIST).map((row) =>
    element("tr", {}, element("td", { text: row.id }), element("td", { text: row.reason || "no reason given" })));
  const more = failed.length - lines.length;
  if (more > 0) lines.push(element("tr", {}, element("td", { text: `and ${formatNumber(more)} more: see scores.csv`, colspan: "2" })));
  byId("errors-body").replaceChildren(...lines);
}

// How often each class and decision occurs, which no filter changes.
const CLASS_COUNTS = Object.fromEntries(Object.entries(CLASS_MODES).map(([mode, { classesOf }]) => [mode, countBy(SCORED, classesOf)]));
const DECISION_COUNTS = countBy(SCORED, (row) => [row.decision]);

function updateTicks() {
  const counts = CLASS_COUNTS[state.mode];
  // Every class that occurs in any way has its colour here; those that this mode never shows are dimmed.
  const occurs = (name) => Object.values(CLASS_COUNTS).some((other) => other.has(name));
  const names = NAMES.filter((name) => occurs(name) || state.classes.includes(name));
  const options = names.map((value) => ({ value, mark: swatch(value), count: counts.get(value) ?? 0, dim: !counts.has(value) }));
  tickList("legend", options, state.classes, (classes) => set({ classes }));
  byId("class-clear").hidden = !state.classes.length;
  const decisions = DECISIONS.map((value) => ({
    value, count: DECISION_COUNTS.get(value), dim: false, mark: element("span", { className: `dot ${value}`, "aria-hidden": "true" }),
  }));
  tickList("decisions", decisions, state.decisions, (chosen) => set({ decisions: chosen }));
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

function updateReview() {
  const counts = review.counts();
  const done = review.items.size;
  byId("progress").textContent = progressWords();
  for (const [verdict, bar] of Object.entries({ accept: byId("bar-accept"), reject: byId("bar-reject"), unsure: byId("bar-unsure") })) {
    bar.style.width = `${100 * counts[verdict] / (SCORED.length || 1)}%`;
  }
  const numbers = { all: SCORED.length, todo: SCORED.length - done, ...counts };
  for (const option of byId("review-filter").options) {
    option.textContent = `${REVIEW_FILTERS[option.value]} (${formatNumber(numbers[option.value])})`;
  }
  byId("review-filter").value = state.review;
  byId("save").setAttribute("aria-disabled", !done);
  const where = review.keeps ? "" : " This browser keeps nothing: save before you leave.";
  byId("saved").textContent = (review.unsaved ? `${counted(review.unsaved, "change")} not in a file.` : "") + where;
  if (state.sample) updateSample();
  updateCurrent();
}

function updateCurrent() {
  const row = grid.rows[grid.cursor] ?? null;
  byId("judge-whom").textContent = row ? `#${row.rank ?? "–"} ${row.id}` : "";
  for (const button of byId("judge-bar").querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-disabled", !row);
    button.setAttribute("aria-pressed", Boolean(row) && review.verdictOf(row.id) === button.dataset.verdict);
  }
  scatter.setCurrent(row);
}
