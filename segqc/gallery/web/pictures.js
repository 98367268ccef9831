// Where the pictures of a row are, and how they come: the photo as an address for an <img>, masks and heat map as arrays of bytes.
//
// Each row has a small packet, and some have a fine one. A packet is an inert block in the page, or a script beside it that calls `segqcPictures`: a page
// opened from a disk may load scripts from there, but may not read files.

const ENTRIES_PER_FOLDER = 500;
const MASKS = ["prediction", "other", "truth"];

const waiting = new Map(); // name of a packet that is on its way -> what to do with it
window.segqcPictures = (name, packet) => waiting.get(name)?.(packet);

const folderOf = (index) => `${DATA.pictures}/${Math.floor(index / ENTRIES_PER_FOLDER)}`;
const addressOf = (row) => `${folderOf(row.index)}/${row.index}`;

function scriptPacket(row, suffix) {
  const name = `${row.index}${suffix}`;
  return new Promise((resolve) => {
    const script = document.createElement("script");
    const done = (packet) => { waiting.delete(name); script.remove(); resolve(packet); };
    waiting.set(name, done);
    script.onerror = () => done({});
    script.src = `${addressOf(row)}${suffix}.js`;
    document.head.append(script);
  });
}

function blockPacket(row, suffix) {
  const block = document.getElementById(`pictures-${row.index}${suffix}`);
  return block ? JSON.parse(block.textContent) : {};
}

// A raster is { width, height, values }, a byte a pixel: labels of a mask, or heat from 0 to 255.
async function inflate([width, height, text]) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let place = 0; place < bytes.length; place++) bytes[place] = letters.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return { width, height, values: new Uint8Array(await new Response(stream).arrayBuffer()) };
}

async function readRasters(packet) {
  const names = Object.keys(packet).filter((name) => name !== "photo");
  const rasters = await Promise.all(names.map((name) => inflate(packet[name])));
  return Object.fromEntries(names.map((name, place) => [name, rasters[place]]));
}

// The photo's address and a promise of the rasters of one packet.
function loadPacket(row, suffix) {
  if (DATA.pictures !== null) {
    return { photo: `${addressOf(row)}${suffix}.jpg`, rasters: scriptPacket(row, suffix).then(readRasters) };
  }
  const packet = blockPacket(row, suffix);
  return { photo: packet.photo ? `data:image/jpeg;base64,${packet.photo}` : null, rasters: readRasters(packet) };
}

// Small packets of the rows seen last: coming back to a card reads nothing again.
const KEPT_PACKETS = 150;
const kept = new Map();

function smallPictures(row) {
  const found = kept.get(row) ?? loadPacket(row, "");
  kept.delete(row);
  kept.set(row, found);
  if (kept.size > KEPT_PACKETS) kept.delete(kept.keys().next().value);
  return found;
}

const finePictures = (row) => (row.fine ? loadPacket(row, ".fine") : null);

// An <img> once it is decoded; null where the address leads nowhere.
async function decoded(address) {
  const image = new Image();
  image.src = address;
  try { await image.decode(); } catch { return null; }
  return image;
}

// The best photo that the page can reach: { image, kind }. The original counts only with the size that it had when it was judged.
async function bestPhoto(row, fine) {
  if (row.source) {
    const image = await decoded(row.source);
    if (image && image.naturalWidth === row.width && image.naturalHeight === row.height) return { image, kind: "original" };
  }
  const image = fine?.photo ? await decoded(fine.photo) : null;
  return image ? { image, kind: "preview" } : null;
}
