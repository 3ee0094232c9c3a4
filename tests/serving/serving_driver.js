// Uses the page as a person would and sends what it saw to the test's own part of the server.
(async () => {
  const seen = { errors: [] }, root = document.documentElement, at = (id) => document.getElementById(id);
  window.addEventListener("error", (event) => seen.errors.push(event.message));
  window.addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
  document.addEventListener("securitypolicyviolation", (event) => seen.errors.push(event.blockedURI));
  const until = async (condition) => {
    for (let i = 0; !condition(); i++) {
      if (i > 600) throw new Error(`waited in vain: ${condition}`);
      await new Promise((go) => setTimeout(go, 25));
    }
    await new Promise((go) => setTimeout(go, 200));
  };
  const viewer = () => at("study-viewer"), part = (name) => viewer().querySelector(`[data-part=${name}]`);
  const drawn = (mark) => until(() => viewer().dataset.drawn === mark);
  const key = (name) => viewer().dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  const look = () => [viewer().dataset.drawn, part("picture").toDataURL(), part("status").textContent];
  const ask = async () => {
    delete root.dataset.answered;
    at("ask").click();
    await until(() => root.dataset.answered);
    return at("answer-told").textContent;
  };
  try {
    await until(() => root.dataset.ready);
    seen.package = at("package").textContent;
    seen.offered = [...at("names").options].map((one) => one.value);
    at("name").value = "studies/none"; at("open").click();
    await until(() => at("study-told").textContent.includes("DICOM"));
    seen.refused = at("study-told").textContent;
    at("name").value = "studies/one"; at("open").click();
    await until(() => viewer());
    await drawn("post1/5/none");
    seen.opened = [at("study-told").textContent, ...look()];
    const select = at("words").querySelector("[data-slot=location]");
    select.value = "right"; select.dispatchEvent(new Event("change"));
    seen.written = at("text").value;
    seen.first = await ask();
    part("probability").click(); await drawn("post1/5/probability");
    seen.right = look();
    at("text").value = seen.written.replace("right", "left");
    seen.second = await ask();
    seen.left = look();
    key("ArrowRight"); await drawn("post1/6/probability"); seen.next = look();
    key("ArrowDown"); await drawn("pre/6/probability"); seen.phase = look();
    at("text").value = "location lefft; shape round; size large; number one"; at("ask").click();
    await until(() => at("answer-told").textContent.includes("lefft"));
    seen.wrong = at("answer-told").textContent;
    delete root.dataset.answered;
    at("automatic").click();
    await until(() => root.dataset.answered);
    seen.automatic = at("answer-told").textContent;
  } catch (error) {
    seen.errors.push(String(error), at("answer-told").textContent);
  }
  await fetch("/seen", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(seen) });
})();
