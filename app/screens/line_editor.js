// Line editor: eight lines over a flat card, dragged by mouse or finger, or moved by arrow keys. Lengths are millimetres.
// Runs after card_view.js, in the same scope.
// Provided by Gradio: element, props (value: see line_editor_state.py), trigger, server, watch.
const NAMES = ["top", "right", "bottom", "left"];
const KINDS = { physical: "card's edge", printed: "printed frame" };
const STEP_MM = 0.05, LONG_STEP_MM = 0.5, BEYOND_MM = 1, LENS_MM = 5;
const CORNER_MM = 8, EDGE_MM = 4, OUTSIDE_MM = 1, CORNER_SHOWN_PX = 180;
const HIT_PX = 26, COLOURS = { physical: "#ffa01e", printed: "#00d6ff" }, SHADOW = "#141414", FOUND = "#ff3c78";
const THIN = { "vector-effect": "non-scaling-stroke" }; // an attribute: style sheets do not apply to the copy that the lens draws
const KEYS = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 };

const find = (className) => element.querySelector("." + className);
const svg = find("card"), scene = find("scene"), [mapImage, circles, lineGroup] = scene.children;
const draw = (name, attributes, parent, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, setting] of Object.entries(attributes)) node.setAttribute(key, setting);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
};
const append = (name, text, parent) => Object.assign(parent.appendChild(document.createElement(name)), { textContent: text });

let value = null; // the server's value, with the current lines
let lines = []; // SVG nodes of each line
let requestPending = false, requestAgain = false;

// Axis along which a line moves: 1 (y) for top and bottom, 0 (x) for left and right.
const moveAxis = (side) => (side % 2 ? 0 : 1);
const size = (axis) => (axis ? value.height_mm : value.width_mm);
// Coordinate of a line on `axis` at position `along` of the other axis.
const coordinateAt = ([start, end], axis, along) => {
  const lengthAxis = 1 - axis;
  return start[axis] + ((end[axis] - start[axis]) * (along - start[lengthAxis])) / (end[lengthAxis] - start[lengthAxis]);
};

function render() {
  value = props.value && props.value.physical ? structuredClone(props.value) : null;
  find("side").hidden = !value;
  if (!value) return;
  svg.setAttribute("aria-label", value.side + " of the card with its eight lines and its findings");
  const image = find("flat");
  for (const [key, setting] of Object.entries(pictureBox())) image.setAttribute(key, setting);
  scene.id = value.side + "-scene";
  image.id = value.side + "-flat";
  const [below, above] = find("lens").children;
  below.setAttribute("href", "#" + image.id);
  above.setAttribute("href", "#" + scene.id);
  find("title").textContent = value.side === "front" ? "Front" : "Back";
  openPicture(value.picture.url);
  drawFindings();
  drawCloseUps(image.id);
  drawLines();
  showNumbers();
  applyLayers();
  followView();
}

function drawFindings() {
  const [list, smaller] = [find("findings"), find("smaller")];
  const smallerList = smaller.querySelector("ol");
  for (const node of [circles, list, smallerList]) node.replaceChildren();
  const middle = [value.width_mm / 2, value.height_mm / 2];
  for (const { number, place, what, cost, at_mm: [x, y], reach_mm, points_mm, circled } of value.findings) {
    const button = append("button", place + ": " + what + " (" + cost + ")", append("li", "", circled ? list : smallerList));
    Object.assign(button.dataset, { finding: number });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => showFinding(number));
    const group = draw("g", { "data-number": number, "data-circled": circled }, circles);
    const distance = Math.hypot(middle[0] - x, middle[1] - y) || 1, inward = (reach_mm + 1.4) / distance;
    const pen = { fill: "none", stroke: FOUND, ...THIN };
    draw("circle", { cx: x, cy: y, r: reach_mm, "stroke-width": 2, ...pen }, group);
    draw("polyline", { points: points_mm.join(" "), "stroke-width": 1, ...pen }, group);
    const text = { fill: FOUND, stroke: SHADOW, "paint-order": "stroke" };
    draw("text", { x: x + (middle[0] - x) * inward, y: y + (middle[1] - y) * inward, ...text }, group, number);
  }
  const count = value.findings.length, circledCount = list.children.length;
  smaller.hidden = count === circledCount;
  smaller.querySelector("summary").textContent = count - circledCount + " less certain or smaller, without a circle";
  smallerList.start = circledCount + 1;
  const noFindings = "No wear found" + (value.unread.length ? " where it could be measured" : "");
  find("found").textContent = circledCount ? "Findings, and the grades that each costs alone" : noFindings;
  find("hint").hidden = !count;
  find("unread").textContent = value.unread.join(" ");
  markFinding(value.findings.find(({ number }) => number === shownFinding));
}

// Scaled by a whole factor, so that picture pixels stay square. Edges are rotated, with the outside on top.
function drawCloseUps(flat) {
  const [w, h, cut, out] = [value.width_mm, value.height_mm, CORNER_MM, -OUTSIDE_MM];
  const [right, bottom] = [w - cut - out, h - cut - out];
  const corners = [["top left", out, out], ["top right", right, out], ["bottom right", right, bottom], ["bottom left", out, bottom]];
  const turns = [[1, 0, 0, 1, 0, 0], [0, -1, 1, 0, 0, w], [-1, 0, 0, -1, w, h], [0, 1, -1, 0, h, 0]];
  const times = Math.max(1, Math.round(CORNER_SHOWN_PX / (cut * value.px_per_mm)));
  find("corners").replaceChildren();
  for (const [name, x, y] of corners) closeUp(find("corners"), flat, name, [x, y, cut, cut], turns[0], times);
  find("edges").replaceChildren();
  turns.forEach((turn, side) => {
    closeUp(find("edges"), flat, NAMES[side] + " edge", [out, out, (side % 2 ? h : w) - 2 * out, EDGE_MM], turn, 1);
  });
}

function closeUp(parent, flat, name, box, turn, times) {
  const figure = append("figure", "", parent);
  const [width, height] = box.slice(2).map((length) => Math.round(length * value.px_per_mm * times));
  const view = draw("svg", { viewBox: box.join(" "), width, height, role: "img", "aria-label": name }, figure);
  draw("use", { href: "#" + flat, transform: "matrix(" + turn.join(",") + ")" }, view);
  append("figcaption", name, figure);
}

// All dots are drawn above all lines, so that a line that crosses a dot does not catch its pointer events.
function drawLines() {
  lineGroup.replaceChildren();
  const [below, above] = [0, 1].map(() => draw("g", {}, lineGroup));
  lines = Object.keys(KINDS).flatMap((kind) => value[kind].map((points, side) => {
    const name = value.side + ": " + KINDS[kind] + ", " + NAMES[side];
    const direction = moveAxis(side) ? "across" : "down";
    const classes = { class: "line " + kind + " " + direction };
    const group = draw("g", { ...classes, "data-line": kind + "-" + NAMES[side] }, below);
    const dots = draw("g", { ...classes, "data-dots": kind + "-" + NAMES[side] }, above);
    const handle = (label) => ({
      tabindex: 0,
      role: "slider",
      "aria-label": label,
      "aria-orientation": moveAxis(side) ? "vertical" : "horizontal",
      "aria-valuemin": -value.margin_mm[moveAxis(side)],
      "aria-valuemax": size(moveAxis(side)) + value.margin_mm[moveAxis(side)],
    });
    const pens = [["under", SHADOW, 3.5], ["shown", COLOURS[kind], 1.5], ["hit", "transparent", HIT_PX]];
    const strokes = pens.map(([part, stroke, width]) => {
      const slider = part === "hit" ? handle(name) : {};
      return draw("line", { class: part, stroke, "stroke-width": width, ...THIN, ...slider }, group);
    });
    const ends = [0, 1].map((end) => {
      const label = name + ", tilt by its " + (end ? "second" : "first") + " end";
      const grip = { class: "grip", fill: "transparent", ...handle(label) };
      const dot = { class: "dot", fill: COLOURS[kind], stroke: SHADOW, ...THIN };
      return [draw("circle", grip, dots), draw("circle", dot, dots)];
    });
    const line = { kind, side, group, strokes, ends };
    const handles = [[strokes[2], [0, 1]], [ends[0][0], [0]], [ends[1][0], [1]]];
    for (const [node, endIndices] of handles) {
      node.addEventListener("pointerdown", (event) => startDrag(event, line, endIndices));
    }
    for (const part of [group, dots]) part.addEventListener("keydown", (event) => moveByKey(event, line));
    updateLine(line);
    return line;
  }));
}

function updateLine({ kind, side, strokes, ends }) {
  const points = value[kind][side], axis = moveAxis(side), lengthAxis = 1 - axis;
  const segment = [-BEYOND_MM, size(lengthAxis) + BEYOND_MM].map((along) => {
    const point = [along, along];
    point[axis] = coordinateAt(points, axis, along);
    return point;
  });
  const [[x1, y1], [x2, y2]] = segment;
  for (const stroke of strokes) for (const [key, setting] of Object.entries({ x1, y1, x2, y2 })) stroke.setAttribute(key, setting);
  ends.forEach((pair, end) => pair.forEach((node) => {
    node.setAttribute("cx", points[end][0]);
    node.setAttribute("cy", points[end][1]);
    node.setAttribute("aria-valuenow", points[end][axis].toFixed(2));
  }));
  const middle_mm = coordinateAt(points, axis, size(lengthAxis) / 2).toFixed(2);
  strokes[2].setAttribute("aria-valuenow", middle_mm);
  strokes[2].setAttribute("aria-valuetext", middle_mm + " mm from the card's " + (axis ? "top" : "left"));
}

function move(line, endIndices, by_mm) {
  const points = value[line.kind][line.side], axis = moveAxis(line.side), margin = value.margin_mm[axis];
  for (const end of endIndices) points[end][axis] = Math.min(Math.max(points[end][axis] + by_mm, -margin), size(axis) + margin);
  updateLine(line);
  value.by_hand = true;
  value.unsaved = true;
  updateButtons();
  requestNumbers();
}

const inMillimetres = (event) => {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [x, y];
};

function startDrag(event, line, endIndices) {
  if (event.button) return;
  event.preventDefault();
  event.stopPropagation();
  const start = inMillimetres(event), node = event.currentTarget;
  if (endIndices.length === 2) line = nearest(start, line);
  const axis = moveAxis(line.side), first = endIndices[0], before = value[line.kind][line.side][first][axis];
  node.setPointerCapture(event.pointerId);
  line.strokes[2].focus({ preventScroll: true });
  line.group.classList.add("held");
  showLens(line, start);
  const follow = (moveEvent) => {
    const now = inMillimetres(moveEvent);
    move(line, endIndices, before + now[axis] - start[axis] - value[line.kind][line.side][first][axis]);
    showLens(line, now);
  };
  const endDrag = () => {
    line.group.classList.remove("held");
    find("lens").setAttribute("hidden", "");
    node.removeEventListener("pointermove", follow);
    for (const end of ["pointerup", "pointercancel"]) node.removeEventListener(end, endDrag);
    storeValue();
  };
  node.addEventListener("pointermove", follow);
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, endDrag);
}

// If two lines are close together, the drag moves the nearer one, not the one drawn last.
function nearest(point, pressed) {
  const distance = (line) => {
    const axis = moveAxis(line.side);
    return Math.abs(coordinateAt(value[line.kind][line.side], axis, point[1 - axis]) - point[axis]);
  };
  const parallel = lines.filter((line) => moveAxis(line.side) === moveAxis(pressed.side));
  return parallel.reduce((best, line) => (distance(line) < distance(best) ? line : best), pressed);
}

// Magnifies the dragged point on the other half of the card, since the finger hides it.
function showLens(line, [x, y]) {
  const axis = moveAxis(line.side), middle = [x, y];
  middle[axis] = coordinateAt(value[line.kind][line.side], axis, middle[1 - axis]);
  const lens = find("lens");
  lens.removeAttribute("hidden");
  lens.setAttribute("viewBox", [middle[0] - LENS_MM / 2, middle[1] - LENS_MM / 2, LENS_MM, LENS_MM].join(" "));
  lens.style.left = x < value.width_mm / 2 ? "55%" : "15%";
  lens.style.top = y < value.height_mm / 2 ? "60%" : "10%";
}

function moveByKey(event, line) {
  const direction = KEYS[event.key], upOrDown = event.key === "ArrowUp" || event.key === "ArrowDown";
  if (!direction || upOrDown !== (moveAxis(line.side) === 1)) return;
  event.preventDefault();
  event.stopPropagation();
  const end = line.ends.findIndex(([grip]) => grip === event.target);
  move(line, end < 0 ? [0, 1] : [end], direction * (event.shiftKey ? LONG_STEP_MM : STEP_MM));
  storeValue();
}

// The server computes the numbers. Lines that move during a request are sent again after it.
async function requestNumbers() {
  requestAgain = requestPending;
  if (requestPending) return;
  requestPending = true;
  try {
    const sent = value;
    const numbers = await server.numbers_of_lines({ ...sent, findings: [], measured: null, picture: null });
    if (sent === value && value.by_hand) {
      value.numbers = numbers;
      showNumbers();
      storeValue();
    }
  } finally {
    requestPending = false;
  }
  if (requestAgain) requestNumbers();
}

// An event sends props.value, and the server compares its answer with it.
const storeValue = () => { if (value) props.value = structuredClone(value); };

function showNumbers() {
  const rows = element.querySelector(".numbers tbody");
  rows.replaceChildren();
  for (const { axis, mm, share, uncertainty, allows } of value.numbers.rows) {
    const row = append("tr", "", rows);
    for (const text of [axis, mm, share, allows]) append("td", text, row);
    row.children[2].title = uncertainty;
  }
  find("numbers").hidden = !value.numbers.rows.length;
  find("sentence").textContent = value.numbers.sentence;
  updateButtons();
}

function updateButtons() {
  find("said").textContent = value.unsaved ? "Not saved yet." : value.message;
  find("save").disabled = !value.unsaved;
  find("reset").disabled = !value.by_hand;
}

// A saved correction defines the card's position: to reset it, the server must measure again.
find("reset").addEventListener("click", () => {
  if (value.is_stored) { trigger("clear"); return; }
  Object.assign(value, structuredClone(value.measured), { by_hand: false, unsaved: false, message: "" });
  lines.forEach(updateLine);
  showNumbers();
  storeValue();
});
find("save").addEventListener("click", () => { storeValue(); trigger("submit"); });
watch("value", render);
render();
