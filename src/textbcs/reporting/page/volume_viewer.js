// The viewer of whole volumes: one picture, every slice of a few patients. Sheets are decoded when they are asked for.

function startVolumes() {
  const source = document.getElementById("volume-data"), root = document.getElementById("volume-viewer");
  if (!source || !root) return;
  const data = JSON.parse(source.textContent), part = (name) => root.querySelector(`[data-part=${name}]`);
  const state = { patient: 0, reading: data.readings.length - 1, slice: 0 };
  const patient = () => data.patients[state.patient], found = () => patient().found[state.reading];
  const sheets = new Map();
  let asked = 0;

  // A sheet as a picture, decoded once.
  function sheet(address) {
    if (!sheets.has(address)) {
      sheets.set(address, new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => resolve(image);
        image.onerror = () => reject(new Error("a picture is damaged"));
        image.src = address;
      }));
    }
    return sheets.get(address);
  }

  function tile(image, index) {
    const [height, width] = patient().size, scratch = document.createElement("canvas");
    scratch.width = width; scratch.height = height;
    const pen = scratch.getContext("2d", { willReadFrequently: true });
    const x = (index % data.columns) * width, y = Math.floor(index / data.columns) * height;
    pen.drawImage(image, x, y, width, height, 0, 0, width, height);
    return pen.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 === 0);
  }

  // The outline of a region, one pixel wide; beyond the picture is outside.
  function outline(mask, width, height) {
    const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] > 127;
    return (i) => {
      const x = i % width, y = Math.floor(i / width);
      return inside(x, y) && !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
    };
  }

  function paint(image, mask, guess) {
    const [height, width] = patient().size, canvas = part("picture");
    canvas.width = width; canvas.height = height;
    const ink = canvas.getContext("2d"), picture = ink.createImageData(width, height);
    const onMask = outline(mask, width, height), onGuess = outline(guess, width, height);
    const showMask = part("reference").checked, showGuess = part("prediction").checked;
    for (let i = 0; i < width * height; i++) {
      let shade = [image[i], image[i], image[i]];
      const isMask = showMask && onMask(i), isGuess = showGuess && onGuess(i);
      // Where both outlines coincide, their pixels take turns.
      const turn = (i % width + Math.floor(i / width)) % 2;
      if (isMask && !(isGuess && turn)) shade = REFERENCE;
      else if (isGuess) shade = PREDICTION;
      picture.data.set([...shade, 255], 4 * i);
    }
    ink.putImageData(picture, 0, 0);
  }

  // Bars of marked pixels, a column a slice.
  function extent() {
    const canvas = part("extent"), own = patient(), count = own.slices.length, wide = 6, high = 24;
    canvas.width = wide * count; canvas.height = 2 * high + 1;
    const ink = canvas.getContext("2d"), most = Math.max(1, ...own.reference, ...found().marked);
    const length = (pixels) => pixels ? Math.max(2, Math.round(high * pixels / most)) : 0;
    ink.fillStyle = "#777"; ink.fillRect(0, high, canvas.width, 1);
    own.slices.forEach((_, i) => {
      const up = length(own.reference[i]), down = length(found().marked[i]);
      ink.fillStyle = `rgb(${REFERENCE})`; ink.fillRect(wide * i + 1, high - up, wide - 2, up);
      ink.fillStyle = `rgb(${PREDICTION})`; ink.fillRect(wide * i + 1, high + 1, wide - 2, down);
    });
    ink.strokeStyle = "#fff"; ink.strokeRect(wide * state.slice + 0.5, 0.5, wide - 1, canvas.height - 1);
  }

  function tell() {
    const own = patient(), now = found(), z = own.slices[state.slice];
    const dice = now.dice === null ? "Dice not defined" : `Dice ${now.dice.toFixed(3)}`;
    const false_ = `${now.false_components} false component${now.false_components === 1 ? "" : "s"}`;
    const told = `${own.patient} (${own.rule}), slice ${z + 1} of ${own.total}; ${data.readings[state.reading]}: ` +
      `${dice}, ${false_}, ${now.false_ml.toFixed(2)} ml false`;
    part("status").textContent = told;
    part("picture").setAttribute("aria-label", told);
    part("prompt").textContent = now.prompt || "none";
  }

  // Of several draws that wait for a picture only the last one is shown.
  async function draw() {
    const ticket = ++asked, own = patient();
    tell();
    extent();
    const [image, mask, guess] = await Promise.all([own.image, own.mask, found().mask].map(sheet));
    if (ticket !== asked) return;
    paint(tile(image, state.slice), tile(mask, state.slice), tile(guess, state.slice));
    root.dataset.drawn = `${own.patient}/${state.reading}/${own.slices[state.slice]}`;
  }

  function show(slice, reading) {
    state.slice = Math.min(Math.max(slice, 0), patient().slices.length - 1);
    state.reading = (reading + data.readings.length) % data.readings.length;
    part("slider").max = patient().slices.length - 1;
    part("slider").value = String(state.slice);
    part("reading").value = String(state.reading);
    return draw();
  }

  // A patient is opened where the reference is largest.
  function open(place) {
    state.patient = place;
    const areas = patient().reference;
    return show(areas.indexOf(Math.max(...areas)), state.reading);
  }

  function connect() {
    part("patient").replaceChildren(...data.patients.map((one, i) => new Option(`${one.patient} (${one.rule})`, i)));
    part("reading").replaceChildren(...data.readings.map((text, i) => new Option(text, i)));
    part("patient").addEventListener("change", (event) => open(Number(event.target.value)));
    part("reading").addEventListener("change", (event) => show(state.slice, Number(event.target.value)));
    part("slider").addEventListener("input", (event) => show(Number(event.target.value), state.reading));
    for (const name of ["reference", "prediction"]) part(name).addEventListener("change", draw);
    part("previous").addEventListener("click", () => show(state.slice - 1, state.reading));
    part("next").addEventListener("click", () => show(state.slice + 1, state.reading));
    part("picture").addEventListener("wheel", (event) => {
      // At either end the wheel scrolls the page again.
      const next = state.slice + Math.sign(event.deltaY);
      if (next < 0 || next >= patient().slices.length) return;
      event.preventDefault();
      show(next, state.reading);
    }, { passive: false });
    part("extent").addEventListener("click", (event) => {
      const share = event.offsetX / event.target.clientWidth;
      show(Math.floor(share * patient().slices.length), state.reading);
    });
    root.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
      event.preventDefault();
      show(state.slice + move[0], state.reading + move[1]);
    });
  }

  connect();
  root.hidden = false;
  open(0).catch((error) => {
    part("status").textContent = `The viewer could not start: ${error}`;
    throw error;
  });
}

startVolumes();
