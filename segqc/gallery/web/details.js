// What only the large view shows of a row: its objects, its files, and columns that no filter reads. A page that is one file has them in its rows; else
// they come with a script for a hundred rows.

const ROWS_PER_SCRIPT = 100;
const KEPT_SCRIPTS = 20;

const awaited = new Map(); // number of a script that is on its way -> what to do with its details
window.segqcDetails = (number, details) => awaited.get(number)?.(details);

function loadDetails(number) {
  return new Promise((resolve) => {
    const script = document.createElement("script");
    const done = (details) => { awaited.delete(String(number)); script.remove(); resolve(details); };
    awaited.set(String(number), done);
    script.onerror = () => done(null);
    script.src = `${folderOf(number * ROWS_PER_SCRIPT)}/rows-${number}.js`;
    document.head.append(script);
  });
}

// Promises of the scripts that were read last, by number.
const keptDetails = new Map();

function detailsOf(number) {
  const found = keptDetails.get(number) ?? loadDetails(number);
  keptDetails.delete(number);
  keptDetails.set(number, found);
  if (keptDetails.size > KEPT_SCRIPTS) keptDetails.delete(keptDetails.keys().next().value);
  return found;
}

// Calls `use` with all that is known of a row: at once where the page holds it, else when its script is here.
async function withDetails(row, use) {
  if (DATA.pictures === null) { use(row); return; }
  const details = await detailsOf(Math.floor(row.index / ROWS_PER_SCRIPT));
  use({ ...row, objects: [], ...(details?.[row.index % ROWS_PER_SCRIPT] ?? { details: "not found beside the page" }) });
}
