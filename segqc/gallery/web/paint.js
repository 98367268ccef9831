// Masks and heat maps in colour. A fill can be seen through; outlines are a light line with a dark one beside it, which stands out on any photo.

const NAMES = DATA.classes.map(({ name }) => name);
const COLOURS = new Map(DATA.classes.map(({ name, colour }) => [name, colour]));
const VOID = 255;
if (!COLOURS.has("void")) COLOURS.set("void", DATA.void_colour);
const bytesOf = (hex) => [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
// Pixels of a canvas are written as whole numbers, whose bytes are red, green, blue and opacity from the lowest.
const pixel = ([red, green, blue], opacity) => ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;

const LABEL_COLOURS = new Uint32Array(256);
DATA.classes.forEach(({ colour }, label) => { LABEL_COLOURS[label] = pixel(bytesOf(colour), 255); });
LABEL_COLOURS[VOID] = pixel(bytesOf(DATA.void_colour), 255);
const [LIGHT, DARK] = [pixel([255, 255, 255], 255), pixel([0, 0, 0], 200)];

const labelName = (label) => NAMES[label] ?? (label === VOID ? "void" : `label ${label}`);

function swatch(name) {
  const mark = element("span", { className: "swatch", "aria-hidden": "true" });
  mark.style.background = COLOURS.get(name) ?? "transparent";
  return mark;
}

// For each label whether it is drawn: all but the background and those switched off.
function drawnLabels(hidden = new Set()) {
  const drawn = new Uint8Array(256).fill(1);
  if (DATA.background !== null) drawn[DATA.background] = 0;
  for (const label of hidden) drawn[label] = 0;
  return drawn;
}

// Void has a fill alone: nobody knows its borders.
function outlinedLabels(drawn) {
  const outlined = Uint8Array.from(drawn);
  outlined[VOID] = 0;
  return outlined;
}

function presentLabels(raster) {
  const seen = new Uint8Array(256);
  for (const label of raster.values) seen[label] = 1;
  return [...seen.keys()].filter((label) => seen[label]);
}

// Brings a raster to another size by its nearest pixels: labels have no average.
function resample({ width, height, values }, toWidth, toHeight) {
  if (width === toWidth && height === toHeight) return values;
  const columns = Uint32Array.from({ length: toWidth }, (_, x) => Math.floor((x + 0.5) * width / toWidth));
  const out = new Uint8Array(toWidth * toHeight);
  for (let y = 0; y < toHeight; y++) {
    const line = Math.floor((y + 0.5) * height / toHeight) * width;
    for (let x = 0; x < toWidth; x++) out[y * toWidth + x] = values[line + columns[x]];
  }
  return out;
}

function newCanvas(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return canvas;
}

function writePixels(canvas, pixels) {
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), canvas.width, canvas.height), 0, 0);
  return canvas;
}

// Fill and outlines on a canvas of any size; `opacity` of the fill from 0 to 1.
function paintMask(canvas, raster, drawn, opacity) {
  const { width, height } = canvas;
  const labels = resample(raster, width, height);
  const pixels = new Uint32Array(width * height);
  const veil = (Math.round(255 * opacity) << 24) >>> 0;
  for (let place = 0; place < pixels.length; place++) {
    if (drawn[labels[place]]) pixels[place] = ((LABEL_COLOURS[labels[place]] & 0xffffff) | veil) >>> 0;
  }
  const outlined = outlinedLabels(drawn);
  const edge = (a, b) => {
    if (labels[a] === labels[b] || !(outlined[labels[a]] || outlined[labels[b]])) return;
    const [inner, outer] = outlined[labels[a]] ? [a, b] : [b, a];
    pixels[inner] = LIGHT;
    if (pixels[outer] !== LIGHT) pixels[outer] = DARK;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      if (x + 1 < width) edge(place, place + 1);
      if (y + 1 < height) edge(place, place + width);
    }
  }
  return writePixels(canvas, pixels);
}

// The fill alone, opaque, a pixel a pixel of the mask.
function fillCanvas(raster, drawn) {
  const pixels = new Uint32Array(raster.values.length);
  for (let place = 0; place < pixels.length; place++) {
    if (drawn[raster.values[place]]) pixels[place] = LABEL_COLOURS[raster.values[place]];
  }
  return writePixels(newCanvas(raster.width, raster.height), pixels);
}

// The borders of what is drawn, along the edges of the mask's pixels: a path keeps its width at any zoom.
function outlinePath({ width, height, values }, drawn) {
  const path = new Path2D(), outlined = outlinedLabels(drawn);
  const differ = (a, b) => values[a] !== values[b] && (outlined[values[a]] || outlined[values[b]]);
  for (let y = 1; y < height; y++) {
    for (let x = 0, from = -1; x <= width; x++) {
      const isEdge = x < width && differ((y - 1) * width + x, y * width + x);
      if (isEdge && from < 0) from = x;
      if (!isEdge && from >= 0) { path.moveTo(from, y); path.lineTo(x, y); from = -1; }
    }
  }
  for (let x = 1; x < width; x++) {
    for (let y = 0, from = -1; y <= height; y++) {
      const isEdge = y < height && differ(y * width + x - 1, y * width + x);
      if (isEdge && from < 0) from = y;
      if (!isEdge && from >= 0) { path.moveTo(x, from); path.lineTo(x, y); from = -1; }
    }
  }
  return path;
}

const HEAT_COLOURS = Uint32Array.from(DATA.heat_colours, ([red, green, blue, opacity]) => pixel([red, green, blue], opacity));

// The heat map in colour, at its own size: it is smooth, and may be drawn larger.
function heatCanvas({ width, height, values }) {
  return writePixels(newCanvas(width, height), Uint32Array.from(values, (value) => HEAT_COLOURS[value]));
}

function heatBar() {
  const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((value) => {
    const [red, green, blue, opacity] = DATA.heat_colours[value];
    return `rgb(${red} ${green} ${blue} / ${(opacity / 255).toFixed(3)})`;
  });
  const bar = element("i");
  bar.style.background = `linear-gradient(90deg, ${stops.join(", ")}), #7f7f7f`;
  return element("span", { className: "colour-bar" }, "low", bar, "high");
}
