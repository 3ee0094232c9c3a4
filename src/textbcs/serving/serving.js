// The page of `textbcs serve`: opens a study, asks with a prompt, and shows each slice as soon as it is answered.

function startServing() {
  const KEPT = 240, PAUSE = 250;  // pictures that are kept; ms between two questions for the progress
  const at = (id) => document.getElementById(id), state = { study: null, answer: 0, data: null, viewer: null };
  const pictures = new Map();
  let generation = 0;

  // What the server says; its one line where it refuses.
  async function call(address, options) {
    const found = await fetch(address, options), told = await found.json().catch(() => ({}));
    if (!found.ok) throw new Error(told.error || `the server answers ${found.status}`);
    return told;
  }
  const post = (address, value) => call(address,
    { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

  async function fetchGreys(address, signal) {
    const [height, width] = state.data.size;
    for (;;) {
      const found = await fetch(address, { signal });
      if (found.status === 503) continue;  // not answered yet
      if (!found.ok) throw new Error("a picture cannot be had");
      const image = await createImageBitmap(await found.blob());
      return greysOf(image, 0, 0, width, height);
    }
  }

  // A picture, kept for a while; the oldest make room.
  function picture(address, slice) {
    if (!pictures.has(address)) {
      const entry = { greys: null, slice, stop: new AbortController() };
      entry.ready = fetchGreys(address, entry.stop.signal).then((greys) => { entry.greys = greys; return greys; });
      entry.ready.catch(() => pictures.delete(address));
      pictures.set(address, entry);
      while (pictures.size > KEPT) pictures.delete(pictures.keys().next().value);
    }
    return pictures.get(address);
  }

  // Nobody waits any longer for layers of other slices, or of another answer.
  function stopOthers(slice) {
    for (const [address, one] of pictures) {
      if (one.greys || one.slice === slice || one.slice < 0) continue;
      pictures.delete(address);
      one.stop.abort();
    }
  }

  // The image is waited for; a layer that is not there yet is drawn over it when it comes.
  async function layer(kind, name, slice) {
    const base = `/api/studies/${state.study}`;
    if (kind === "phase") return picture(`${base}/phases/${name}/${slice}.png`, -1).ready;
    stopOthers(slice);
    const entry = picture(`${base}/answers/${state.answer}/${name}/${slice}.png?${state.data.round}`, slice);
    if (entry.greys) return entry.greys;
    const mine = generation;
    entry.ready.then(() => {
      if (mine === generation && state.viewer.slice() === slice) state.viewer.draw();
    }, () => {});
    return null;
  }

  const tell = (id, text) => { at(id).textContent = text; };

  function warn(lines) {
    at("warnings").hidden = !lines.length;
    at("warnings").firstElementChild.replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
  }

  async function opened(promise) {
    tell("study-told", "Reading the study …");
    try {
      const data = await promise, before = state.study;
      if (before) call(`/api/studies/${before}`, { method: "DELETE" }).catch(() => {});
      generation++;
      stopOthers(null);
      pictures.clear();
      Object.assign(state, { study: data.study, answer: 0, data: { ...data, round: 0 } });
      at("viewer-place").replaceChildren(at("viewer-template").content.cloneNode(true));
      at("prompt-section").hidden = at("viewer-section").hidden = false;
      state.viewer = startStudyViewer(at("study-viewer"), state.data, layer);
      tell("study-told", `${data.slices} slices, ${data.phases.map((one) => one.name).join(", ")}`);
      tell("answer-told", "");
      warn(data.warnings);
    } catch (error) {
      tell("study-told", error.message);
    }
  }

  function result(told) {
    if (!told.lesions) return "nothing is outlined";
    const lesions = told.lesions === 1 ? "1 lesion" : `${told.lesions} lesions`;
    const side = told.side ? `, ${told.side}` : "";
    return `${lesions}${side}, ${told.volume_ml.toFixed(2)} ml, largest diameter ${told.largest_diameter_mm.toFixed(1)} mm`;
  }

  function show(told) {
    const before = JSON.stringify([state.data.layers, state.data.round]);
    Object.assign(state.data, { layers: told.layers, marked: told.marked });
    // Small components go when all slices are known: pictures are asked for anew.
    state.data.round = Number(told.finished);
    if (JSON.stringify([state.data.layers, state.data.round]) !== before) state.viewer.draw();
    const prompt = told.text === null ? "" : told.text ? ` Prompt: ${told.text} (${told.source}).` : " Empty prompt.";
    if (told.fault) tell("answer-told", told.fault);
    else if (told.finished) tell("answer-told", `${result(told)}; ${told.flag}.${prompt}${told.checked ? "" : " The prompt is being checked."}`);
    else tell("answer-told", `${told.asks}: ${told.done} of ${told.of} slices.${prompt}`);
    if (told.warnings) warn(told.warnings);
  }

  async function ask(text) {
    const mine = ++generation, base = `/api/studies/${state.study}/answers`;
    stopOthers(null);
    tell("answer-told", "Asking …");
    warn([]);
    try {
      const { answer } = await post(base, { text, slice: state.viewer.slice() });
      state.answer = answer;
      Object.assign(state.data, { layers: {}, round: 0 });
      for (;;) {
        const told = await call(`${base}/${answer}`);
        if (mine !== generation) return;
        show(told);
        if (told.fault || (told.finished && told.checked)) break;
        await new Promise((go) => setTimeout(go, PAUSE));
      }
      state.viewer.draw();
      document.documentElement.dataset.answered = String(answer);
    } catch (error) {
      if (mine === generation) tell("answer-told", error.message);
    }
  }

  // Four words make a prompt; it can be edited, or typed.
  function offer(words) {
    const selects = words.map(([slot, choices]) => {
      const label = document.createElement("label"), select = document.createElement("select");
      select.dataset.slot = slot;
      select.replaceChildren(...choices.map((word) => new Option(word, word)));
      select.addEventListener("change", write);
      label.append(slot, select);
      return label;
    });
    at("words").replaceChildren(...selects);
    write();
  }
  function write() {
    const selects = [...at("words").querySelectorAll("select")];
    at("text").value = selects.map((one) => `${one.dataset.slot} ${one.value}`).join("; ");
  }

  async function begin() {
    const told = await call("/api/package");
    tell("package", `${told.name} (${told.sha256.slice(0, 12)})`);
    at("names").replaceChildren(...told.studies.map((name) => new Option(name, name)));
    at("name").value = told.studies[0] || "";
    offer(told.words);
    if (!told.reads_text) {
      at("text").closest("label").hidden = at("automatic").hidden = true;
      tell("answer-told", "This network reads no prompt.");
    }
    at("open").addEventListener("click", () => opened(post("/api/studies", { name: at("name").value })));
    at("zip").addEventListener("change", (event) => {
      const [file] = event.target.files;
      if (!file) return;
      if (file.size > told.most_bytes) tell("study-told", "The zip is too large; name the study's folder instead.");
      else opened(call("/api/studies", { method: "POST", headers: { "content-type": "application/zip" }, body: file }));
    });
    at("ask").addEventListener("click", () => ask(told.reads_text ? at("text").value : null));
    at("text").addEventListener("keydown", (event) => { if (event.key === "Enter") at("ask").click(); });
    at("automatic").addEventListener("click", () => ask(null));
    document.documentElement.dataset.ready = "yes";
  }

  begin().catch((error) => tell("study-told", error.message));
}

startServing();
