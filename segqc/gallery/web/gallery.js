// The page: keys, address, and what ties the parts together. Everything shown follows from `state` and `review`; `update` writes the state to the
// page and to the address.

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
let state = stateFromHash(location.hash);

const review = new Review(SCORED, DATA.audit);
const verdictOf = (id) => review.verdictOf(id);

const grid = new VirtualGrid(byId("scroller"), byId("grid"), review, {
  onOpen: (place) => open(place),
  onJudge: (place, verdict) => judge(grid.rows[place], verdict),
  onCursor: () => updateCurrent(),
});
const detail = new Detail(byId("detail"), review, {
  onMove: (step) => move(step),
  onJudge: (verdict) => judgeAndMove(verdict),
  onNote: (row, note) => { review.write(row.id, note); reviewed(row); },
  onClose: () => {
    // The browser has given the focus back to the card that opened the view; it belongs to the one shown last.
    const last = state.open;
    if (state.review !== "all") updateContent(true); // what was judged in it may have to go now
    const place = grid.rows.findIndex((row) => row.id === last);
    set({ open: null });
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
  set({ ranges: low === null && high === null ? others : { ...others, [changed]: { low, high } } });
}));

function set(changes) {
  const before = state;
  state = { ...state, ...changes };
  writeAddress();
  update(before);
}

// Browsers refuse more than some 20 changes of the address a second, and complain: a slider makes more.
const ADDRESS_PAUSE = 100; // ms
let addressTimer = 0, addressAgain = false;

function writeAddress() {
  if (addressTimer) { addressAgain = true; return; }
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
}

// Page from state ------------------------------------------------------------------------------------------------------------------

const CONTENT = ["sort", "down", "mode", ...FILTERS];
const TICKS = ["mode", "classes", "decisions"];

function update(before) {
  if (!before || CONTENT.some((name) => before[name] !== state[name])) updateContent(false);
  if (!before || TICKS.some((name) => before[name] !== state[name])) updateTicks();
  for (const name of ["overlay", "truth", "heat", "box"]) {
    root.toggleAttribute(`data-${name}`, state[name]);
    // The ground truth stands in the prediction's place: one of the two buttons is down, never both.
    const pressed = state[name] && !(name === "overlay" && state.truth);
    document.querySelector(`[data-layer="${name}"]`).setAttribute("aria-pressed", pressed);
  }
  root.style.setProperty("--overlay", state.opacity / 100);
  byId("opacity").value = state.opacity;
  const plotted = state.plot && scatter.axis !== null;
  byId("plot-button").setAttribute("aria-pressed", plotted);
  if (byId("plot").hidden === plotted) {
    byId("plot").hidden = !plotted;
    scatter.schedule();
  }
  updateDetail();
}

// `inPlace`: a verdict has changed what the filters show; the reader stays where they are.
function updateContent(inPlace) {
  const shown = state.status === "error" ? [] : sorted(matching(SCORED, state, verdictOf), state);
  const failed = state.status === "ok" ? [] : matching(FAILED, state, verdictOf);
  grid.show(shown, inPlace);
  scatter.show(shown);
  if (!inPlace) byId("scroller").scrollTop = 0;
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
  for (const range of ranges) range.show(state.ranges[range.name]);
  updateReview();
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

function updateTicks() {
  const counts = countBy(SCORED, CLASS_MODES[state.mode].classesOf);
  // Every class that occurs in any way has its colour here; those that this mode never shows are dimmed.
  const seen = new Set(SCORED.flatMap((row) => [...row.classes, row.worst_class, row.expected_class]));
  const names = DATA.classes.map(({ name }) => name).filter((name) => seen.has(name) || state.classes.includes(name));
  const options = names.map((value) => ({ value, mark: swatch(value), count: counts.get(value) ?? 0, dim: !counts.has(value) }));
  tickList("legend", options, state.classes, (classes) => set({ classes }));
  byId("class-clear").hidden = !state.classes.length;
  const decided = countBy(SCORED, (row) => [row.decision]);
  const decisions = DECISIONS.map((value) => ({
    value, count: decided.get(value), dim: false, mark: element("span", { className: `dot ${value}`, "aria-hidden": "true" }),
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

// The review -----------------------------------------------------------------------------------------------------------------------

const SAID_FOR = 8000; // ms
let announced = 0, saidTimer = 0;

// Tells those who see and those who hear the page. The same words twice are two events. Behind an open dialog nothing is heard, so that it has a
// place of its own for words.
function say(text) {
  announced += 1;
  const [place, other] = detail.isOpen ? ["detail-announcer", "announcer"] : ["announcer", "detail-announcer"];
  byId(other).textContent = "";
  byId(place).textContent = text + (announced % 2 ? "" : "\u00a0");
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { byId(place).textContent = ""; }, SAID_FOR);
}

const progressWords = () => `${formatNumber(review.items.size)} of ${formatNumber(SCORED.length)} reviewed`;

// Pressing the same verdict again takes it back.
function judge(row, verdict) {
  const taken = review.verdictOf(row.id) === verdict;
  review.judge(row.id, taken ? null : verdict);
  say(`${taken ? "No verdict on" : `${VERDICTS[verdict]}:`} ${row.id}. ${progressWords()}.`);
  reviewed(row);
  return !taken;
}

// Something was said about a row: bring the page up to date.
function reviewed(row) {
  // A filter by verdict may have to let the row go, but not from under someone who is reading it.
  if (state.review !== "all" && !detail.isOpen) updateContent(true);
  else grid.repaint(row);
  if (detail.isOpen) detail.repaint();
  scatter.schedule();
  updateReview();
}

// The verdict on the entry that one is looking at, and on to the next one.
function judgeAndMove(verdict) {
  const row = detail.isOpen ? detail.row : grid.rows[grid.cursor];
  if (!row) return;
  if (!detail.isOpen && !grid.isCursorVisible) {
    grid.focus(grid.cursor);
    say(`${row.id} was out of sight. Press the key again to judge it.`);
    return;
  }
  const fromGrid = grid.list.contains(document.activeElement);
  const before = grid.rows;
  if (!judge(row, verdict)) return;
  if (detail.isOpen) move(1);
  else if (grid.rows === before) {
    if (fromGrid) grid.focus(grid.cursor + 1);
    else grid.setCursor(Math.min(grid.rows.length - 1, grid.cursor + 1));
  }
}

function undo() {
  const id = review.undo();
  if (id === null) { say("Nothing to undo."); return; }
  const row = review.rows.get(id);
  say(`Undone: ${id} is ${review.verdictOf(id) ? VERDICTS[review.verdictOf(id)].toLowerCase() : "not reviewed"}. ${progressWords()}.`);
  reviewed(row);
  const place = grid.rows.indexOf(row);
  if (place < 0) return;
  if (detail.isOpen) open(place);
  else grid.focus(place);
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
  byId("save").disabled = !done;
  const where = review.keeps ? "" : " This browser keeps nothing: save before you leave.";
  byId("saved").textContent = (review.unsaved ? `${formatNumber(review.unsaved)} ${review.unsaved === 1 ? "change" : "changes"} not in a file.` : "") + where;
  updateCurrent();
}

function updateCurrent() {
  const row = grid.rows[grid.cursor] ?? null;
  byId("judge-whom").textContent = row ? `#${row.rank ?? "–"} ${row.id}` : "";
  for (const button of byId("judge-bar").querySelectorAll("[data-verdict]")) {
    button.disabled = !row;
    button.setAttribute("aria-pressed", Boolean(row) && review.verdictOf(row.id) === button.dataset.verdict);
  }
  scatter.setCurrent(row);
}

function saveReview() {
  const address = URL.createObjectURL(new Blob([review.toFile()], { type: "application/json" }));
  element("a", { href: address, download: "review.json" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  review.saved();
  updateReview();
  say(`Saved review.json: ${progressWords()}.`);
}

async function loadReview(file) {
  let found;
  try {
    found = review.parse(await file.text());
  } catch (error) {
    if (!(error instanceof ReviewError)) throw error;
    say(`${file.name} was not loaded: ${error.message}.`);
    return;
  }
  const unknown = found.unknown ? ` ${formatNumber(found.unknown)} of its verdicts are on entries that are not here.` : "";
  const take = () => {
    review.load(found);
    if (state.review !== "all") updateContent(true);
    grid.repaint();
    scatter.schedule();
    updateReview();
    say(`Loaded ${formatNumber(found.items.length)} verdicts from ${file.name}. ${progressWords()}.${unknown}`);
  };
  if (found.sameAudit) { take(); return; }
  byId("foreign-words").textContent = `${file.name} reviews other predictions or other scores than this page shows. ` +
    `${formatNumber(found.items.length)} of its verdicts are on ids that occur here too.`;
  byId("foreign-load").onclick = take;
  byId("foreign").showModal();
  byId("foreign-cancel").focus();
}
