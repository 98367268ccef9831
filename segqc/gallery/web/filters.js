// The controls at the side: choices, classes, and a range with a histogram for each number that the entries have.

function segmented(id, options, onChoose) {
  document.getElementById(id).replaceChildren(...Object.entries(options).map(([value, text]) => {
    const input = element("input", { type: "radio", name: id, value });
    input.addEventListener("change", () => onChoose(value));
    return element("label", {}, input, text);
  }));
}

function check(id, value) {
  for (const input of document.getElementById(id).querySelectorAll("input")) input.checked = input.value === value;
}

// Boxes to tick, none of which means all. `options`: { value, mark or null, count, dim }; the focus stays where it was.
function tickList(id, options, chosen, onChange) {
  const list = document.getElementById(id);
  const focused = list.contains(document.activeElement) ? document.activeElement.value : null;
  list.replaceChildren(...options.map(({ value, mark, count, dim }) => {
    const input = element("input", { type: "checkbox", value });
    input.checked = chosen.includes(value);
    input.addEventListener("change", () => onChange(input.checked ? [...chosen, value] : chosen.filter((other) => other !== value)));
    return element("li", {}, element("label", { className: dim ? "none" : "" }, input, mark,
      element("span", { className: "name", text: value, title: value }), element("span", { className: "number", text: formatNumber(count) })));
  }));
  if (focused !== null) [...list.querySelectorAll("input")].find((input) => input.value === focused)?.focus();
}

function countBy(rows, valuesOf) {
  const counts = new Map();
  for (const row of rows) for (const value of valuesOf(row)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

// Two handles over a histogram. The lowest and highest places of the handles mean "no limit".
class RangeFilter {
  static STEPS = 200;
  static BINS = 40;

  constructor(name, onChange) {
    const range = RANGES[name];
    Object.assign(this, { name, range, onChange });
    this.histogram = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.histogram.setAttribute("aria-hidden", "true");
    this.histogram.setAttribute("preserveAspectRatio", "none");
    const handle = (end, label) => element("input", {
      type: "range", id: range[end], min: "0", max: String(RangeFilter.STEPS), "aria-label": label,
    });
    this.low = handle("low", range.lowest);
    this.high = handle("high", range.highest);
    this.lowText = element("output", { for: range.low });
    this.highText = element("output", { for: range.high });
    const caption = `${name}-caption`;
    this.section = element("section", {}, element("span", { className: "caption", id: caption, text: range.label }),
      element("div", { className: "range", role: "group", "aria-labelledby": caption }, this.histogram, this.low, this.high),
      element("div", { className: "range-ends" }, this.lowText, this.highText));
    this.low.addEventListener("input", () => this.changed("low"));
    this.high.addEventListener("input", () => this.changed("high"));
    this.draw();
    this.shown = null; // the ends that can be seen: none yet
  }

  stepOf(value) { return Math.round(RangeFilter.STEPS * (value - this.range.from) / this.range.span); }

  valueAt(step) { return Number((this.range.from + this.range.span * step / RangeFilter.STEPS).toPrecision(6)); }

  draw() {
    const { BINS } = RangeFilter;
    const counts = new Array(BINS).fill(0);
    for (const value of this.range.values) counts[Math.min(BINS - 1, Math.floor(BINS * (value - this.range.from) / this.range.span))] += 1;
    const tallest = Math.max(1, ...counts);
    this.histogram.setAttribute("viewBox", `0 0 ${BINS} 1`);
    this.histogram.replaceChildren(...counts.map((count, bin) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const height = count ? Math.max(0.04, Math.sqrt(count / tallest)) : 0; // square root: rare values stay visible
      for (const [name, value] of Object.entries({ x: bin + 0.08, y: 1 - height, width: 0.84, height })) bar.setAttribute(name, value);
      return bar;
    }));
  }

  show(ends) {
    if (this.shown === ends) return;
    this.shown = ends;
    const { STEPS, BINS } = RangeFilter;
    const [lowest, highest] = [ends?.low ?? null, ends?.high ?? null];
    const low = lowest === null ? 0 : Math.min(STEPS, Math.max(0, this.stepOf(lowest)));
    const high = highest === null ? STEPS : Math.min(STEPS, Math.max(0, this.stepOf(highest)));
    this.low.value = low;
    this.high.value = high;
    this.lowText.textContent = formatRange(this.name, lowest ?? this.range.from);
    this.highText.textContent = formatRange(this.name, highest ?? this.range.to);
    this.low.setAttribute("aria-valuetext", this.lowText.textContent);
    this.high.setAttribute("aria-valuetext", this.highText.textContent);
    [...this.histogram.children].forEach((bar, bin) => {
      const middle = (bin + 0.5) * STEPS / BINS;
      bar.classList.toggle("in", middle >= low && middle <= high);
    });
    // Where the two handles meet, the one that can still move lies on top.
    this.low.style.zIndex = low > STEPS / 2 ? 1 : 0;
  }

  changed(end) {
    let low = Number(this.low.value), high = Number(this.high.value);
    if (low > high) [low, high] = end === "low" ? [high, high] : [low, low];
    this.onChange(this.name, low === 0 ? null : this.valueAt(low), high === RangeFilter.STEPS ? null : this.valueAt(high));
  }
}
