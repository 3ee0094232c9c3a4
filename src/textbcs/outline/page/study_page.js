// The viewer on a page that holds its pictures: a sheet is decoded when it is asked for, and once.

function startStudyPage() {
  const source = document.getElementById("study-data"), root = document.getElementById("study-viewer");
  const data = JSON.parse(source.textContent), [height, width] = data.size, sheets = new Map();
  const addressOf = (kind, name) =>
    kind === "phase" ? data.phases.find((one) => one.name === name).sheet : data.layers[name];
  async function layer(kind, name, slice) {
    const address = addressOf(kind, name);
    if (!sheets.has(address)) sheets.set(address, loadPicture(address));
    const x = (slice % data.columns) * width, y = Math.floor(slice / data.columns) * height;
    return greysOf(await sheets.get(address), x, y, width, height);
  }
  startStudyViewer(root, data, layer);
}

startStudyPage();
