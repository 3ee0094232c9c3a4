// Drives the page of an outline as a reader would and leaves what it saw in an attribute of the root element.
const seen = { errors: [] };
window.addEventListener("error", (event) => seen.errors.push(event.message));
window.addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => seen.errors.push(event.blockedURI));
window.addEventListener("load", async () => {
  const root = document.getElementById("study-viewer"), part = (name) => root.querySelector(`[data-part=${name}]`);
  // A drawing is done when its mark says so.
  async function drawn(mark) {
    for (let i = 0; i < 400 && root.dataset.drawn !== mark; i++) await new Promise((go) => setTimeout(go, 5));
    await new Promise((go) => setTimeout(go, 20));
    return [root.dataset.drawn, part("picture").toDataURL(), part("status").textContent];
  }
  const key = (name) => root.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  seen.start = await drawn("post1/3/none");
  const picture = part("picture"), all = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height).data;
  const pixel = (x, y) => [...all.slice(4 * (y * picture.width + x), 4 * (y * picture.width + x + 1))];
  seen.size = [picture.width, picture.height];
  seen.pixel = pixel(1, 2);
  seen.outline = pixel(20, 9);
  part("mask").click(); seen.bare = await drawn("post1/3/none");
  part("probability").click(); seen.probability = await drawn("post1/3/probability");
  part("vacuity").click(); seen.vacuity = await drawn("post1/3/vacuity");
  seen.ticked = part("probability").checked;
  key("ArrowRight"); seen.right = await drawn("post1/4/vacuity");
  key("ArrowDown"); seen.phase = await drawn("pre/4/vacuity");
  const wheel = new WheelEvent("wheel", { deltaY: -120, cancelable: true });
  picture.dispatchEvent(wheel); seen.wheel = await drawn("pre/3/vacuity");
  document.documentElement.dataset.seen = JSON.stringify(seen);
});
