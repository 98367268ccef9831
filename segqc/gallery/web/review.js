// The review: a verdict, reasons and a note for each entry, kept in the browser from one visit to the next, saved to a JSON file and read back from one.

class ReviewError extends Error {}

const isTags = (tags) => Array.isArray(tags) && tags.every((tag) => typeof tag === "string");

class Review {
  static LONGEST_HISTORY = 500;

  constructor(rows, audit) {
    this.rows = new Map(rows.map((row) => [row.id, row]));
    this.audit = audit;
    this.place = `segqc-review:${audit}`;
    this.items = new Map(); // id -> { verdict, note, tags }
    this.ownTags = []; // reasons that the reviewer has added
    this.unsaved = 0; // changes since the last file
    this.history = []; // { before: [id, item or null] of each entry that changed, typed }, for undo
    this.keeps = true; // whether the browser keeps it: it may forbid storage to files, or have no room
    this.read();
  }

  verdictOf(id) { return this.items.get(id)?.verdict ?? null; }
  noteOf(id) { return this.items.get(id)?.note ?? ""; }
  tagsOf(id) { return this.items.get(id)?.tags ?? []; }
  get tags() { return [...DATA.tags, ...this.ownTags]; }

  counts() {
    const counts = { accept: 0, reject: 0, unsure: 0 };
    for (const { verdict } of this.items.values()) counts[verdict] += 1;
    return counts;
  }

  // Changes -------------------------------------------------------------------------------------------------------------------------

  judge(id, verdict) {
    this.change([[id, verdict === null ? null : { ...this.itemOf(id), verdict }]]);
  }

  // A note or a reason on an entry without a verdict makes it "unsure": the file has no room for words about nothing.
  write(id, note) {
    if (note || this.items.has(id)) this.change([[id, { ...this.itemOf(id), note }]], true);
  }

  toggleTag(id, tag) {
    const item = this.itemOf(id);
    const tags = item.tags.includes(tag) ? item.tags.filter((other) => other !== tag) : this.tags.filter((other) => other === tag || item.tags.includes(other));
    this.change([[id, { ...item, tags }]]);
  }

  // Accepts those of the entries that have no verdict, as one change to undo; returns how many.
  acceptAll(ids) {
    const open = ids.filter((id) => !this.items.has(id));
    if (open.length) this.change(open.map((id) => [id, { verdict: "accept", note: "", tags: [] }]));
    return open.length;
  }

  itemOf(id) { return this.items.get(id) ?? { verdict: "unsure", note: "", tags: [] }; }

  addTag(tag) {
    if (!tag || this.tags.includes(tag)) return;
    this.ownTags.push(tag);
    this.store();
  }

  change(changes, typed = false) {
    const last = this.history.at(-1);
    // Letters typed one after the other are one change to undo.
    if (!(typed && last?.typed && last.before[0][0] === changes[0][0])) {
      this.history.push({ before: changes.map(([id]) => [id, this.items.get(id) ?? null]), typed });
    }
    if (this.history.length > Review.LONGEST_HISTORY) this.history.shift();
    this.put(changes);
  }

  // Takes the last change back; returns the ids that it was about, or null.
  undo() {
    if (!this.history.length) return null;
    const { before } = this.history.pop();
    this.put(before);
    return before.map(([id]) => id);
  }

  put(changes) {
    for (const [id, item] of changes) {
      if (item === null) this.items.delete(id);
      else this.items.set(id, item);
    }
    this.unsaved += changes.length;
    this.store();
  }

  // The browser's storage ----------------------------------------------------------------------------------------------------------

  read() {
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(this.place)); } catch { this.keeps = false; }
    if (!Array.isArray(kept?.items)) return;
    const sound = (pair) => Array.isArray(pair) && this.rows.has(pair[0]) && Object.hasOwn(VERDICTS, pair[1]?.verdict ?? "");
    this.items = new Map(kept.items.filter(sound).map(([id, { verdict, note, tags }]) =>
      [id, { verdict, note: typeof note === "string" ? note : "", tags: isTags(tags) ? tags : [] }]));
    this.learnTags(isTags(kept.tags) ? kept.tags : []);
    this.unsaved = Number(kept.unsaved) || 0;
  }

  learnTags(tags) {
    this.ownTags = [...new Set([...this.ownTags, ...tags, ...[...this.items.values()].flatMap((item) => item.tags)])].filter((tag) => !DATA.tags.includes(tag));
  }

  store() {
    try {
      localStorage.setItem(this.place, JSON.stringify({ items: [...this.items], unsaved: this.unsaved, tags: this.ownTags }));
      this.keeps = true;
    } catch {
      this.keeps = false;
    }
  }

  // The file -----------------------------------------------------------------------------------------------------------------------

  // `ids`: only these, or all.
  toFile(ids = null) {
    const chosen = ids === null ? [...this.items] : ids.map((id) => [id, this.items.get(id)]);
    const items = chosen.map(([id, { verdict, note, tags }]) => [id, { verdict, tags, note, score: this.rows.get(id).score }]);
    const head = { format: DATA.review_format, audit: this.audit, name: DATA.name, tags: this.ownTags };
    return JSON.stringify({ ...head, items: Object.fromEntries(items) }, null, 2) + "\n";
  }

  saved() {
    this.unsaved = 0;
    this.store();
  }

  // What a file says, once it is found to be one: { sameAudit, items: [[id, item]...] of entries that are here, unknown: count of others, name, tags }.
  parse(text) {
    let content;
    try { content = JSON.parse(text); } catch (error) { throw new ReviewError(`it is not JSON: ${error.message}`); }
    if (content?.format !== DATA.review_format || typeof content.items !== "object" || content.items === null) {
      throw new ReviewError(`it is no review (format ${DATA.review_format})`);
    }
    const all = Object.entries(content.items);
    const sound = (item) => Object.hasOwn(VERDICTS, item?.verdict ?? "") && typeof (item.note ?? "") === "string" && isTags(item.tags ?? []);
    const wrong = all.find(([, item]) => !sound(item));
    if (wrong) throw new ReviewError(`its entry ${wrong[0]} has no verdict, or a note that is no text, or tags that are no list of texts`);
    const items = all.filter(([id]) => this.rows.has(id)).map(([id, { verdict, note, tags }]) => [id, { verdict, note: note ?? "", tags: tags ?? [] }]);
    const name = typeof content.name === "string" ? content.name : "";
    return { sameAudit: content.audit === this.audit, items, unknown: all.length - items.length, name, tags: isTags(content.tags) ? content.tags : [] };
  }

  // Takes over what `parse` returned; what was judged here and is not in the file stays.
  load({ items, tags }) {
    const untouched = this.items.size === 0;
    for (const [id, item] of items) this.items.set(id, item);
    this.learnTags(tags);
    this.history = [];
    if (untouched) this.unsaved = 0; // the page holds what the file holds
    this.store();
  }
}
