// The review: a verdict and a note for each entry, kept in the browser from one visit to the next, saved to a JSON file and read back from one.

class ReviewError extends Error {}

class Review {
  static LONGEST_HISTORY = 500;

  constructor(rows, audit) {
    this.rows = new Map(rows.map((row) => [row.id, row]));
    this.audit = audit;
    this.place = `segqc-review:${audit}`;
    this.items = new Map(); // id -> { verdict, note }
    this.unsaved = 0; // changes since the last file
    this.history = []; // { id, before: item or null, typed }, for undo
    this.keeps = true; // whether the browser keeps it: it may forbid storage to files, or have no room
    this.read();
  }

  verdictOf(id) { return this.items.get(id)?.verdict ?? null; }
  noteOf(id) { return this.items.get(id)?.note ?? ""; }

  counts() {
    const counts = { accept: 0, reject: 0, unsure: 0 };
    for (const { verdict } of this.items.values()) counts[verdict] += 1;
    return counts;
  }

  judge(id, verdict) {
    this.change(id, verdict === null ? null : { verdict, note: this.noteOf(id) });
  }

  // A note on an entry without a verdict makes it "unsure": the file has no room for notes about nothing.
  write(id, note) {
    if (note || this.items.has(id)) this.change(id, { verdict: this.verdictOf(id) ?? "unsure", note }, true);
  }

  change(id, item, typed = false) {
    const last = this.history.at(-1);
    // Letters typed one after the other are one change to undo.
    if (!(typed && last?.typed && last.id === id)) this.history.push({ id, before: this.items.get(id) ?? null, typed });
    if (this.history.length > Review.LONGEST_HISTORY) this.history.shift();
    this.put(id, item);
    this.unsaved += 1;
    this.store();
  }

  // Takes the last change back; returns the id that it was about, or null.
  undo() {
    if (!this.history.length) return null;
    const { id, before } = this.history.pop();
    this.put(id, before);
    this.unsaved += 1;
    this.store();
    return id;
  }

  put(id, item) {
    if (item === null) this.items.delete(id);
    else this.items.set(id, item);
  }

  // The browser's storage ----------------------------------------------------------------------------------------------------------

  read() {
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(this.place)); } catch { this.keeps = false; }
    if (!Array.isArray(kept?.items)) return;
    const sound = (pair) => Array.isArray(pair) && this.rows.has(pair[0]) && Object.hasOwn(VERDICTS, pair[1]?.verdict ?? "");
    this.items = new Map(kept.items.filter(sound));
    this.unsaved = Number(kept.unsaved) || 0;
  }

  store() {
    try {
      localStorage.setItem(this.place, JSON.stringify({ items: [...this.items], unsaved: this.unsaved }));
      this.keeps = true;
    } catch {
      this.keeps = false;
    }
  }

  // The file -----------------------------------------------------------------------------------------------------------------------

  toFile() {
    const items = [...this.items].map(([id, { verdict, note }]) => [id, { verdict, note, score: this.rows.get(id).score }]);
    return JSON.stringify({ format: DATA.review_format, audit: this.audit, items: Object.fromEntries(items) }, null, 2) + "\n";
  }

  saved() {
    this.unsaved = 0;
    this.store();
  }

  // What a file says, once it is found to be one: { sameAudit, items: [[id, item]...] of entries that are here, unknown: count of others }.
  parse(text) {
    let content;
    try { content = JSON.parse(text); } catch (error) { throw new ReviewError(`it is not JSON: ${error.message}`); }
    if (content?.format !== DATA.review_format || typeof content.items !== "object" || content.items === null) {
      throw new ReviewError(`it is no review (format ${DATA.review_format})`);
    }
    const all = Object.entries(content.items);
    const wrong = all.find(([, item]) => !(Object.hasOwn(VERDICTS, item?.verdict ?? "") && typeof (item.note ?? "") === "string"));
    if (wrong) throw new ReviewError(`its entry ${wrong[0]} has no verdict, or a note that is no text`);
    const items = all.filter(([id]) => this.rows.has(id)).map(([id, { verdict, note }]) => [id, { verdict, note: note ?? "" }]);
    return { sameAudit: content.audit === this.audit, items, unknown: all.length - items.length };
  }

  // Takes over what `parse` returned; what was judged here and is not in the file stays.
  load({ items }) {
    const untouched = this.items.size === 0;
    for (const [id, item] of items) this.items.set(id, item);
    this.history = [];
    if (untouched) this.unsaved = 0; // the page holds what the file holds
    this.store();
  }
}
