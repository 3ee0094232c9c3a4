"use strict";
// The viewer of a study: one picture, every slice of every phase, with layers that are switched on and off.
// Where pictures come from is the caller's: sheets inside the page, or a server.

const OUTLINE = [230, 159, 0];  // Okabe and Ito's orange
// Five points of the colour map viridis, dark to bright.
const MAP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const OPACITY = 0.45;
const LEGENDS = {
  probability: "Probability, calibrated: dark 0, bright 1.",
  vacuity: "Vacuity, logarithmic: dark 0.0001 or less, bright 1 (no evidence).",
};

function colourOf(share) {
  const at = Math.min(3.999, Math.max(0, share * 4)), low = Math.floor(at);
  return MAP[low].map((value, i) => value + (at - low) * (MAP[low + 1][i] - value));
}

// The grey values of a piece of a picture.
function greysOf(image, x, y, width, height) {
  const scratch = document.createElement("canvas");
  scratch.width = width; scratch.height = height;
  const pen = scratch.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, x, y, width, height, 0, 0, width, height);
  return pen.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 === 0);
}

function loadPicture(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("a picture is damaged"));
    image.src = address;
  });
}

// data: slices, size [height, width], aspect, phases [{name}], shown, marked, start, layers {mask, probability, vacuity}.
// layer(kind, name, slice): a promise of grey values 0 to 255, kind "phase" or "layer"; null where there are none.
function startStudyViewer(root, data, layer) {
  const part = (name) => root.querySelector(`[data-part=${name}]`), state = { slice: data.start, phase: 0 };
  const [height, width] = data.size, name = () => data.phases[state.phase].name;
  const maps = ["probability", "vacuity"];
  let asked = 0;

  function onOutline(mask) {
    const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] > 127;
    return (i) => {
      const x = i % width, y = Math.floor(i / width);
      return inside(x, y) && !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
    };
  }

  function paint(image, mask, map) {
    const canvas = part("picture");
    canvas.width = width; canvas.height = height;
    canvas.style.aspectRatio = String(data.aspect);
    const ink = canvas.getContext("2d"), picture = ink.createImageData(width, height);
    const edge = mask ? onOutline(mask) : () => false;
    for (let i = 0; i < width * height; i++) {
      let shade = [image[i], image[i], image[i]];
      if (map) shade = colourOf(map[i] / 255).map((value, c) => OPACITY * value + (1 - OPACITY) * shade[c]);
      if (edge(i)) shade = OUTLINE;
      picture.data.set([...shade, 255], 4 * i);
    }
    ink.putImageData(picture, 0, 0);
  }

  // Bars of marked voxels, a column a slice.
  function extent() {
    const canvas = part("extent"), count = data.slices, wide = 6, high = 36, most = Math.max(1, ...data.marked);
    canvas.width = wide * count; canvas.height = high + 1;
    const ink = canvas.getContext("2d");
    ink.fillStyle = "#777"; ink.fillRect(0, high, canvas.width, 1);
    data.marked.forEach((voxels, i) => {
      const up = voxels ? Math.max(2, Math.round(high * voxels / most)) : 0;
      ink.fillStyle = `rgb(${OUTLINE})`; ink.fillRect(wide * i + 1, high - up, wide - 2, up);
    });
    ink.strokeStyle = "#fff"; ink.strokeRect(wide * state.slice + 0.5, 0.5, wide - 1, canvas.height - 1);
  }

  function tell() {
    const marked = data.marked[state.slice], used = name() === data.shown ? ", which the network is shown" : "";
    const told = `Slice ${state.slice + 1} of ${data.slices}, from the feet up; ${name()}${used}; ` +
      `${marked} marked voxel${marked === 1 ? "" : "s"}`;
    part("status").textContent = told;
    part("picture").setAttribute("aria-label", told);
    part("legend").textContent = maps.filter((one) => part(one).checked).map((one) => LEGENDS[one]).join(" ");
  }

  // Of several draws that wait for a picture only the last one is shown.
  async function draw() {
    const ticket = ++asked, { slice } = state, map = maps.find((one) => part(one).checked);
    for (const one of maps) part(one).disabled = !data.layers[one];
    tell();
    extent();
    const want = (one) => data.layers[one] && part(one).checked ? layer("layer", one, slice) : null;
    const found = await Promise.all([layer("phase", name(), slice), want("mask"), map ? want(map) : null]);
    if (ticket !== asked) return;
    paint(...found);
    root.dataset.drawn = `${name()}/${slice}/${map || "none"}`;
  }

  function show(slice, phase) {
    state.slice = Math.min(Math.max(slice, 0), data.slices - 1);
    state.phase = (phase + data.phases.length) % data.phases.length;
    part("slider").value = String(state.slice);
    part("phase").value = String(state.phase);
    return draw();
  }

  function connect() {
    part("phase").replaceChildren(...data.phases.map((one, i) => new Option(one.name, i)));
    part("slider").max = data.slices - 1;
    part("phase").addEventListener("change", (event) => show(state.slice, Number(event.target.value)));
    part("slider").addEventListener("input", (event) => show(Number(event.target.value), state.phase));
    part("mask").addEventListener("change", draw);
    // One map at a time lies over the image.
    for (const one of maps) part(one).addEventListener("change", () => {
      for (const other of maps) if (other !== one) part(other).checked = false;
      draw();
    });
    part("previous").addEventListener("click", () => show(state.slice - 1, state.phase));
    part("next").addEventListener("click", () => show(state.slice + 1, state.phase));
    part("picture").addEventListener("wheel", (event) => {
      // At either end the wheel scrolls the page again.
      const next = state.slice + Math.sign(event.deltaY);
      if (next < 0 || next >= data.slices) return;
      event.preventDefault();
      show(next, state.phase);
    }, { passive: false });
    part("extent").addEventListener("click", (event) => {
      show(Math.floor(event.offsetX / event.target.clientWidth * data.slices), state.phase);
    });
    root.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
      event.preventDefault();
      show(state.slice + move[0], state.phase + move[1]);
    });
  }

  connect();
  root.hidden = false;
  const first = data.phases.findIndex((one) => one.name === data.shown);
  show(data.start, Math.max(first, 0)).catch((error) => {
    part("status").textContent = `The viewer could not start: ${error}`;
    throw error;
  });
  return { draw, show, slice: () => state.slice };
}
