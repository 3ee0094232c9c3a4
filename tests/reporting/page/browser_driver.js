// Drives the page as a reader would and leaves what it saw in an attribute of the root element.
const seen = { errors: [] };
const root = document.documentElement;
window.addEventListener("error", (event) => seen.errors.push(event.message));
window.addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => seen.errors.push(event.blockedURI));
window.addEventListener("load", drive);
function drive() {
  const viewer = document.getElementById("viewer"), part = (name) => viewer.querySelector(`[data-part=${name}]`);
  const pictures = () => ["image", "overlay", "belief"].map((name) => part(name).toDataURL());
  const look = () => [viewer.dataset.drawn, ...pictures(), part("status").textContent];
  const choose = (name, value) => { part(name).value = value; part(name).dispatchEvent(new Event("change")); };
  const key = (name) =>
    viewer.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  const table = document.querySelector("#tables table");
  const column = (place) => [...table.tBodies[0].rows].map((row) => row.cells[place].textContent);
  const heading = table.tHead.rows[0].cells[1];
  seen.sorted = [column(1)];
  for (let i = 0; i < 2; i++) {
    heading.querySelector("button").click();
    seen.sorted.push(column(1), heading.getAttribute("aria-sort"));
  }
  table.tHead.rows[0].cells[2].querySelector("button").click();
  seen.missing = column(2);
  seen.start = look();
  choose("method", "0"); seen.method = look();
  choose("map", "probability"); choose("method", "2"); choose("map", "vacuity"); seen.vacuity = look();
  choose("patient", "P1"); seen.patient = look();
  key("ArrowRight"); seen.right = look();
  key("ArrowUp"); seen.up = look();
  part("reference").click(); seen.bare = look();
  part("strip").children[0].click(); seen.strip = look();
  seen.buttons = [...part("strip").children].map((button) => button.textContent);
  const volumes = document.getElementById("volume-viewer");
  const told = () => volumes.querySelector("[data-part=status]").textContent;
  seen.volume = [volumes.dataset.drawn, told()];
  const press = (name) =>
    volumes.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  press("ArrowRight"); seen.volume.push(told());
  press("ArrowUp"); seen.volume.push(told());
  const wheel = new WheelEvent("wheel", { deltaY: -120, cancelable: true });
  volumes.querySelector("[data-part=picture]").dispatchEvent(wheel); seen.volume.push(told());
  const pixel = part("image").getContext("2d").getImageData(5, 3, 1, 1).data;
  seen.pixel = [...pixel];
  root.dataset.seen = JSON.stringify(seen);
}
