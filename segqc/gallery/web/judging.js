// What a reviewer does: verdicts, reasons, undo, all at once, the sample for a calibration, and the file.

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

// Something was said about a row, or about several (null): bring the page up to date.
function reviewed(row) {
  // A filter by verdict may have to let the row go, but not from under someone who is reading it.
  if (state.review !== "all" && !detail.isOpen) keepFocus(() => updateContent());
  else grid.repaint(row);
  grid.repaint(row);
  if (detail.isOpen) detail.repaint();
  scatter.schedule();
  updateReview();
}

// The entry that one is looking at; null, with a word about it, where it has been scrolled out of sight.
function currentRow() {
  const row = detail.isOpen ? detail.row : grid.rows[grid.cursor];
  if (!row || detail.isOpen || grid.isCursorVisible) return row ?? null;
  grid.focus(grid.cursor);
  say(`${row.id} was out of sight. Press the key again to judge it.`);
  return null;
}

// The verdict on the current entry, and on to the next one. Whatever had the focus, the keys go on from there.
function judgeAndMove(verdict) {
  const row = currentRow();
  if (!row) return;
  const before = grid.rows, byMouse = document.activeElement.closest("#judge-bar");
  if (judge(row, verdict)) {
    if (detail.isOpen) { if (grid.cursor + 1 < grid.rows.length) move(1); }
    else if (grid.rows === before) grid.setCursor(Math.min(grid.rows.length - 1, grid.cursor + 1));
  }
  if (detail.isOpen) return;
  if (byMouse) { if (grid.rows.length) { grid.reveal(grid.cursor); grid.render(); } }
  else grid.focus(grid.cursor);
}

function tagCurrent(tag) {
  const row = currentRow();
  if (!row) return;
  review.toggleTag(row.id, tag);
  const tags = review.tagsOf(row.id);
  say(`${row.id}: ${tags.length ? tags.join(", ") : "no reason"}.`);
  reviewed(row);
}

function acceptShown() {
  const shown = grid.rows.map((row) => row.id);
  const accepted = review.acceptAll(shown);
  const others = shown.length - accepted;
  const keep = others ? ` ${counted(others, "other")} ${others === 1 ? "keeps its verdict" : "keep their verdicts"}.` : "";
  say(accepted ? `Accepted ${formatNumber(accepted)} that had no verdict.${keep} Z undoes it. ${progressWords()}.` : `Nothing to accept.${keep}`);
  if (accepted) reviewed(null);
}

function undo() {
  const ids = review.undo();
  if (ids === null) { say("Nothing to undo."); return; }
  const [id] = ids, row = review.rows.get(id);
  const now = review.verdictOf(id) ? VERDICTS[review.verdictOf(id)].toLowerCase() : "not reviewed";
  say(`Undone: ${ids.length > 1 ? counted(ids.length, "verdict") : `${id} is ${now}`}. ${progressWords()}.`);
  reviewed(ids.length > 1 ? null : row);
  const place = grid.rows.indexOf(row);
  if (place < 0 || ids.length > 1) return;
  if (detail.isOpen) open(place);
  else grid.focus(place);
}

// The sample for a calibration ------------------------------------------------------------------------------------------------------

// A random order of all, without filters, from its first entry that has no verdict: what is reviewed from its beginning is a fair sample.
let beforeSample = null;

function switchSample() {
  if (state.sample) {
    set({ ...(beforeSample ?? { sort: DEFAULTS.sort, down: DEFAULTS.down }), sample: false });
    beforeSample = null;
    return;
  }
  beforeSample = Object.fromEntries([...FILTERS, "sort", "down"].map((name) => [name, state[name]]));
  byId("search").value = "";
  const plain = Object.fromEntries(FILTERS.map((name) => [name, DEFAULTS[name]]));
  set({ ...plain, sort: "random", down: false });
  set({ sample: true });
  grid.focus(sampled().length);
}

// The entries from the beginning of the order that have a verdict, up to the first that has none.
function sampled() {
  const rows = placesOf({ sort: "random", down: false });
  const end = rows.findIndex((row) => !review.items.has(row.id));
  return end < 0 ? rows : rows.slice(0, end);
}

function updateSample() {
  byId("sample-button").setAttribute("aria-pressed", state.sample);
  byId("sample-words").hidden = !state.sample;
  if (!state.sample) return;
  const rows = sampled(), accepted = rows.filter((row) => review.verdictOf(row.id) === "accept").length;
  byId("sample-words").textContent = `Sample for a calibration: a random order of all. Review it from its beginning and leave none out: ` +
    `${formatNumber(rows.length)} reviewed, ${formatNumber(accepted)} accepted. Save … writes these alone.`;
}

// The file --------------------------------------------------------------------------------------------------------------------------

// Letters that every file system takes.
const fileName = (start) => [start, DATA.name.replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/^[_.]+|[_.]+$/g, "").slice(0, 80)].filter(Boolean).join("_") + ".json";

function saveReview() {
  const ids = state.sample ? sampled().map((row) => row.id) : null;
  if (!(ids ?? [...review.items]).length) { say(ids ? "The sample's first entry has no verdict yet." : "Nothing has been reviewed yet."); return; }
  const name = fileName(ids ? "calibration" : "review");
  const address = URL.createObjectURL(new Blob([review.toFile(ids)], { type: "application/json" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  if (!ids) review.saved();
  updateReview();
  say(ids ? `Saved ${name}: the first ${formatNumber(ids.length)} of the sample.` : `Saved ${name}: ${progressWords()}.`);
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
    if (state.review !== "all") updateContent();
    grid.repaint();
    scatter.schedule();
    updateReview();
    say(`Loaded ${formatNumber(found.items.length)} verdicts from ${file.name}. ${progressWords()}.${unknown}`);
  };
  if (found.sameAudit) { take(); return; }
  byId("foreign-words").textContent = `${file.name} reviews ${found.name || "other predictions"}, or other scores than this page shows. ` +
    `${formatNumber(found.items.length)} of its verdicts are on ids that occur here too.`;
  byId("foreign-load").onclick = take;
  byId("foreign").showModal();
  byId("foreign-cancel").focus();
}
