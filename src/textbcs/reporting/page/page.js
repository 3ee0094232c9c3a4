"use strict";
// Two things: headers that sort their table, and the slice viewer. Without it every table is still read.

// A cell's value to sort by: its first number, else its text; what is missing comes last either way.
function valueOf(cell) {
  const text = cell.textContent.trim();
  if (text === "" || text === "–" || text === "nan") return null;
  const number = /^(< )?(-?\d+(?:\.\d+)?)/.exec(text);
  return number ? Number(number[2]) - (number[1] ? 1e-9 : 0) : text;
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en");
}

function sortBy(heading) {
  const table = heading.closest("table"), body = table.tBodies[0], place = heading.cellIndex;
  const before = heading.getAttribute("aria-sort");
  // Numbers start with the largest, text with A.
  const down = before ? before === "ascending" : heading.classList.contains("n");
  const rows = [...body.rows].map((row) => [valueOf(row.cells[place]), row]);
  rows.sort((a, b) => compare(a[0], b[0], down ? -1 : 1));
  body.append(...rows.map((pair) => pair[1]));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
}

for (const heading of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.title = "Sort by this column";
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => sortBy(heading));
}

const REFERENCE = [86, 180, 233], PREDICTION = [230, 159, 0];  // Okabe and Ito: told apart by the colour-blind
// Five points of the colour map viridis, dark to bright.
const MAP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function colour(share) {
  const at = Math.min(3.999, Math.max(0, share * 4)), low = Math.floor(at);
  return MAP[low].map((value, i) => value + (at - low) * (MAP[low + 1][i] - value));
}

function startViewer() {
  const source = document.getElementById("viewer-data"), root = document.getElementById("viewer");
  if (!source || !root) return;
  const data = JSON.parse(source.textContent), [height, width] = data.size;
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const patients = [...new Set(data.slices.map((slice) => slice.patient))];
  const state = { slice: 0, method: data.methods.length - 1 };
  const scratch = document.createElement("canvas");
  scratch.width = width; scratch.height = height;
  const pen = scratch.getContext("2d", { willReadFrequently: true });

  // A sheet's tile as a flat array of grey values 0 to 255.
  function tile(sheet, index) {
    const x = (index % data.columns) * width, y = Math.floor(index / data.columns) * height;
    pen.drawImage(sheet, x, y, width, height, 0, 0, width, height);
    return pen.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 === 0);
  }

  function paint(canvas, shade) {
    canvas.width = width; canvas.height = height;
    const ink = canvas.getContext("2d"), picture = ink.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const [red, green, blue] = shade(i);
      picture.data.set([red, green, blue, 255], 4 * i);
    }
    ink.putImageData(picture, 0, 0);
  }

  // Whether a pixel of a region touches the outside: the region's outline, one pixel wide.
  function edge(inside, i) {
    if (!inside(i)) return false;
    const x = i % width;
    return (x === 0 || !inside(i - 1)) || (x === width - 1 || !inside(i + 1)) ||
      i < width || !inside(i - width) || i >= width * (height - 1) || !inside(i + width);
  }

  function overlay(image, mask, found, showMask, showFound) {
    const inMask = (i) => mask[i] > 127, inFound = (i) => found[i] / 17 >= data.levels / 2;
    return (i) => {
      let shade = [image[i], image[i], image[i]];
      if (showMask && inMask(i)) shade = shade.map((v, c) => 0.55 * v + 0.45 * REFERENCE[c]);
      if (showFound && edge(inFound, i)) shade = PREDICTION;
      return shade;
    };
  }

  const score = (dice) => dice === null ? "no reference, Dice not defined" : `Dice ${dice.toFixed(3)}`;

  function draw() {
    const slice = data.slices[state.slice], method = data.methods[state.method];
    const image = tile(sheets.image, state.slice), mask = tile(sheets.mask, state.slice);
    const found = tile(sheets.methods[state.method].probability, state.slice);
    const showMask = part("reference").checked, showFound = part("prediction").checked;
    const plain = (i) => [image[i], image[i], image[i]];
    paint(part("image"), plain);
    paint(part("overlay"), overlay(image, mask, found, showMask, showFound));
    const vacuity = sheets.methods[state.method].vacuity;
    const option = part("map").querySelector("[value=vacuity]");
    option.disabled = !vacuity;
    const belief = part("map").value === "vacuity" && vacuity;
    const values = belief ? tile(vacuity, state.slice) : found;
    paint(part("belief"), (i) => colour(values[i] / (belief ? 252 : 255)));
    part("belief-caption").textContent = belief
      ? "Vacuity, logarithmic: dark 0.0001 or less, bright 1 (no evidence)"
      : "Foreground probability: dark 0, bright 1" + (vacuity ? "" : "; this method has no vacuity");
    const kind = slice.kind === "tumour" ? "tumour slice" : "tumour-free slice";
    const told = `${slice.patient}, slice ${slice.z} (${kind}); ${method.label}: ${score(method.dice[state.slice])}`;
    part("status").textContent = told;
    part("prompt").textContent = slice.prompt || "none";
    part("source").textContent = slice.source;
    part("overlay").setAttribute("aria-label", told);
    part("image").setAttribute("aria-label", `Image of ${slice.patient}, slice ${slice.z}`);
    part("belief").setAttribute("aria-label", part("belief-caption").textContent);
    data.methods.forEach((other, m) => {
      const button = part("strip").children[m], canvas = button.firstChild;
      const guess = tile(sheets.methods[m].probability, state.slice);
      paint(canvas, overlay(image, mask, guess, showMask, showFound));
      const dice = other.dice[state.slice];
      button.lastChild.textContent = `${other.label} ${dice === null ? "–" : dice.toFixed(2)}`;
      button.setAttribute("aria-pressed", String(m === state.method));
    });
    root.dataset.drawn = `${state.slice}/${method.name}/${part("map").value}`;
  }

  function fill(select, pairs, chosen) {
    select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
    select.value = String(chosen);
  }

  function show(slice, method) {
    state.slice = (slice + data.slices.length) % data.slices.length;
    state.method = (method + data.methods.length) % data.methods.length;
    const { patient } = data.slices[state.slice];
    part("patient").value = patient;
    const own = data.slices.map((s, i) => [i, s]).filter(([, s]) => s.patient === patient);
    fill(part("slice"), own.map(([i, s]) => [i, `${s.z}${s.kind === "tumour" ? "" : " (tumour-free)"}`]), state.slice);
    part("method").value = String(state.method);
    draw();
  }

  function connect() {
    fill(part("patient"), patients.map((name) => [name, name]), patients[0]);
    fill(part("method"), data.methods.map((m, i) => [i, m.label]), state.method);
    data.methods.forEach((method, m) => {
      const button = document.createElement("button"), label = document.createElement("span");
      button.type = "button";
      button.append(document.createElement("canvas"), label);
      button.addEventListener("click", () => show(state.slice, m));
      part("strip").append(button);
    });
    part("patient").addEventListener("change", (event) =>
      show(data.slices.findIndex((slice) => slice.patient === event.target.value), state.method));
    part("slice").addEventListener("change", (event) => show(Number(event.target.value), state.method));
    part("method").addEventListener("change", (event) => show(state.slice, Number(event.target.value)));
    for (const name of ["reference", "prediction", "map"]) part(name).addEventListener("change", draw);
    part("previous").addEventListener("click", () => show(state.slice - 1, state.method));
    part("next").addEventListener("click", () => show(state.slice + 1, state.method));
    root.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
      event.preventDefault();
      show(state.slice + move[0], state.method + move[1]);
    });
  }

  // All pictures are asked for at once, while the page loads: when it has loaded, the viewer stands.
  function picture(address) {
    if (!address) return null;
    return new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => reject(new Error("a picture is damaged"));
      image.src = address;
    });
  }

  const sheets = { image: null, mask: null, methods: [] };
  async function load() {
    const pair = (method) => Promise.all([picture(method.probability), picture(method.vacuity)]);
    const [image, mask, ...methods] = await Promise.all(
      [picture(data.image), picture(data.mask), ...data.methods.map(pair)]);
    sheets.image = image;
    sheets.mask = mask;
    sheets.methods = methods.map(([probability, vacuity]) => ({ probability, vacuity }));
    connect();
    root.hidden = false;
    // A tumour slice to begin with.
    show(Math.max(0, data.slices.findIndex((slice) => slice.kind === "tumour")), state.method);
  }
  load().catch((error) => {
    part("status").textContent = `The viewer could not start: ${error}`;
    root.hidden = false;
    throw error;
  });
}

startViewer();
