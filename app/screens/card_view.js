// Deep zoom of one side, by OpenSeadragon: wheel, pinch, pan. The drawing over it (svg) shows the same part of the card.
// Both sides and the bar of layers find each other through window.loupe. Lengths are millimetres on the card.
const loupe = window.loupe; // see page.py
const HOME_MARGIN_MM = 3, MIN_SHOWN_MM = 6, DOT_PX = 5, GRIP_PX = 15, NUMBER_PX = 15, FINDING_PX_MARGIN_MM = 3;

const TRIES = 2, RETRY_MS = 500;
const NOT_LOADED = "The picture of this side could not be loaded. Press Grade to try again.";

let viewer = null, shownUrl = null, triesLeft = 0, isFollowing = false, atHome = true;

const pictureBox = () => {
  const [x, y] = value.margin_mm;
  return { x: -x, y: -y, width: value.width_mm + 2 * x, height: value.height_mm + 2 * y };
};

// In OpenSeadragon's coordinates the picture is 1 wide.
function toView(x, y, width, height) {
  const box = pictureBox();
  return new OpenSeadragon.Rect((x - box.x) / box.width, (y - box.y) / box.width, width / box.width, height / box.width);
}

function visible_mm() {
  const box = pictureBox(), bounds = viewer.viewport.getBounds(true);
  return { x: box.x + bounds.x * box.width, y: box.y + bounds.y * box.width, width: bounds.width * box.width, height: bounds.height * box.width };
}

// The page may be slow, out of sight or offline for a moment: waits for OpenSeadragon and for a size, tries a picture twice.
async function openPicture(url) {
  loupe.views[value.side] = { showRect, showWhole, zoomBy, showNative, showFinding, card: () => value };
  if (url === shownUrl) return;
  shownUrl = url;
  shownFinding = null;
  triesLeft = TRIES;
  delete find("stage").dataset.ready;
  find("trouble").textContent = "";
  const isLoaded = await loupe.loadViewer();
  await hasSize(find("view"));
  if (url !== shownUrl || !element.isConnected) return; // another card was graded meanwhile
  if (!isLoaded) { giveUp(); return; }
  viewer ??= createViewer();
  viewer.open({ type: "image", url });
}

function giveUp() {
  shownUrl = null; // the next grading tries again
  find("trouble").textContent = NOT_LOADED;
}

const hasSize = (node) => new Promise((resolve) => {
  new ResizeObserver((_, observer) => {
    if (!node.clientWidth) return;
    observer.disconnect();
    resolve();
  }).observe(node);
});

function createViewer() {
  const created = loupe.deepZoom({
    element: find("view"),
    label: "Picture of the card; arrow keys move it, plus and minus zoom",
    isAtHome: () => atHome,
    usesKeys: true,
  });
  created.canvas.appendChild(svg);
  created.addHandler("open", ({ source }) => {
    if (source.url !== shownUrl) return;
    find("flat").setAttribute("href", shownUrl); // only now: a request that failed would fail for both
    showWhole(true);
    find("stage").dataset.ready = shownUrl;
  });
  created.addHandler("open-failed", ({ source }) => {
    if (source.url !== shownUrl) return;
    triesLeft -= 1;
    if (!triesLeft) { giveUp(); return; }
    setTimeout(() => { if (source.url === shownUrl) created.open({ type: "image", url: shownUrl }); }, RETRY_MS);
  });
  created.addHandler("update-viewport", followView);
  created.addHandler("resize", () => { if (atHome) setTimeout(() => showWhole(true)); });
  return created;
}

const isOpen = () => Boolean(viewer?.world.getItemCount());

function followView() {
  if (!value || !isOpen() || !viewer.container.clientWidth) return; // not opened yet, or out of sight
  const rect = visible_mm();
  svg.setAttribute("viewBox", [rect.x, rect.y, rect.width, rect.height].join(" "));
  scaleMarks(rect.width / viewer.container.clientWidth);
  const isEnlarged = viewer.viewport.viewportToImageZoom(viewer.viewport.getZoom(true)) >= 1;
  viewer.drawer.setImageSmoothingEnabled(!isEnlarged); // the picture's own pixels, not smoothed ones
  atHome = viewer.viewport.getZoom(true) <= homeZoom() * 1.02;
  viewer.canvas.style.touchAction = atHome ? "pan-y" : "none"; // a finger scrolls the page until the card is zoomed
  if (loupe.layers.linked && !isFollowing && !atRest(rect)) lead(rect);
}

let lastRect = null;
function atRest(rect) {
  const same = lastRect && ["x", "y", "width"].every((key) => Math.abs(rect[key] - lastRect[key]) < 1e-4);
  lastRect = rect;
  return same;
}

// The other side shows the same spot of the card from behind: left is right there. Of a whole card it shows the whole: the
// two may be of different shapes, and the one that is opened last must not lead the other to its own.
function lead(rect) {
  const other = loupe.views[value.side === "front" ? "back" : "front"];
  if (!other?.showRect) return;
  if (showsWhole(rect)) { other.showWhole(true); return; }
  const width = other.card()?.width_mm;
  if (!width) return;
  other.showRect({ ...rect, x: width - rect.x - rect.width }, true);
}

function showsWhole(rect) {
  const middle = [rect.x + rect.width / 2 - value.width_mm / 2, rect.y + rect.height / 2 - value.height_mm / 2];
  return atHome && Math.hypot(...middle) < 0.5;
}

function showRect({ x, y, width, height }, isImmediate) {
  if (!isOpen()) return;
  isFollowing = true;
  viewer.viewport.fitBounds(toView(x, y, width, height), isImmediate);
  followView();
  lastRect = visible_mm();
  isFollowing = false;
}

const homeRect = () => toView(-HOME_MARGIN_MM, -HOME_MARGIN_MM, value.width_mm + 2 * HOME_MARGIN_MM, value.height_mm + 2 * HOME_MARGIN_MM);
function homeZoom() {
  const rect = homeRect(), aspect = viewer.container.clientWidth / viewer.container.clientHeight;
  return 1 / Math.max(rect.width, rect.height * aspect);
}
function showWhole(isImmediate = false) {
  if (value && isOpen() && viewer.container.clientWidth) viewer.viewport.fitBounds(homeRect(), isImmediate);
}
function zoomBy(factor) {
  if (!isOpen()) return;
  viewer.viewport.zoomBy(factor);
  viewer.viewport.applyConstraints();
}
function showNative() {
  if (!isOpen()) return;
  viewer.viewport.zoomTo(viewer.viewport.imageToViewportZoom(1 / window.devicePixelRatio));
  viewer.viewport.applyConstraints();
}

// Zooms to a finding and marks it; if it is shown already, goes back to the whole card.
function showFinding(number) {
  const finding = value.findings.find((item) => item.number === number), isShown = shownFinding === number;
  markFinding(isShown || !finding ? null : finding);
  if (isShown || !finding) { showWhole(); return; }
  if (!isOpen()) return;
  const [x, y] = finding.at_mm, reach = Math.max(finding.reach_mm + FINDING_PX_MARGIN_MM, MIN_SHOWN_MM);
  viewer.viewport.fitBounds(toView(x - reach, y - reach, 2 * reach, 2 * reach));
}

let shownFinding = null;
function markFinding(finding) {
  shownFinding = finding?.number ?? null;
  for (const button of element.querySelectorAll("[data-finding]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.finding) === shownFinding));
  }
  for (const node of circles.children) {
    const isShown = Number(node.dataset.number) === shownFinding;
    node.setAttribute("display", isShown || node.dataset.circled === "true" ? "inline" : "none");
    node.firstElementChild.setAttribute("stroke-width", isShown ? 4 : 2);
  }
}

// Dots and numbers keep their size on the screen.
function scaleMarks(mm_per_px) {
  for (const node of svg.querySelectorAll(".dot")) node.setAttribute("r", DOT_PX * mm_per_px);
  for (const node of svg.querySelectorAll(".grip")) node.setAttribute("r", GRIP_PX * mm_per_px);
  for (const node of svg.querySelectorAll("text")) {
    node.setAttribute("font-size", NUMBER_PX * mm_per_px);
    node.setAttribute("stroke-width", 3 * mm_per_px);
  }
}

function applyLayers() {
  if (!element.isConnected) { document.removeEventListener("loupe-layers", applyLayers); return; }
  if (!value) return;
  const { findings, lines: showsLines, map, opacity, method, maps, hidden } = loupe.layers;
  circles.style.display = findings ? "" : "none";
  lineGroup.style.display = showsLines ? "" : "none";
  const picture = maps[value.side]?.[method], image = mapImage;
  const isShown = map && picture && !hidden[value.side];
  image.style.display = isShown ? "" : "none";
  if (isShown) {
    image.setAttribute("href", picture.url);
    image.setAttribute("opacity", opacity);
    for (const [key, setting] of Object.entries(pictureBox())) image.setAttribute(key, setting);
  }
}
document.addEventListener("loupe-layers", applyLayers);
