// Eight lines over a card laid flat: dragged by mouse or finger, or moved by the arrow keys. All lengths are millimetres.
// Given by Gradio: element, props (value: see line_editor.py), trigger, server, watch.
const NAMES = ["top", "right", "bottom", "left"];
const KINDS = { physical: "card's edge", printed: "printed frame" };
const STEP_MM = 0.05, LONG_STEP_MM = 0.5, BEYOND_MM = 1, GRIP_MM = 2.2, DOT_MM = 0.7, LENS_MM = 5;
const CORNER_MM = 8, EDGE_MM = 4, OUTSIDE_MM = 1, CORNER_SHOWN_PX = 180;
const HIT_PX = 26, COLOURS = { physical: "#ffa01e", printed: "#00d6ff" }, SHADOW = "#141414", FOUND = "#ff3c78";
const THIN = { "vector-effect": "non-scaling-stroke" }; // an attribute: the lens draws a copy that no style sheet reaches
const NOT_SAVED = "Not saved yet.";
const KEYS = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 };

const find = (name) => element.querySelector("." + name);
const svg = find("card");
const draw = (name, attributes, parent, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, to] of Object.entries(attributes)) node.setAttribute(key, to);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
};
const write = (name, text, parent) => Object.assign(parent.appendChild(document.createElement(name)), { textContent: text });

let value = null; // as the server sent it, with the lines as they lie now
let lines = []; // what is drawn of each line
let asking = false, askAgain = false;

// The axis that a line moves along: a top or bottom line moves in y, a left or right one in x.
const across = (side) => (side % 2 ? 0 : 1);
const size = (axis) => (axis ? value.height_mm : value.width_mm);
const placeAt = ([start, end], axis, along) => {
  const other = 1 - axis;
  return start[axis] + ((end[axis] - start[axis]) * (along - start[other])) / (end[other] - start[other]);
};

function show() {
  value = props.value && props.value.physical ? structuredClone(props.value) : null;
  find("side").hidden = !value;
  if (!value) return;
  const [x, y] = value.margin_mm;
  const box = { x: -x, y: -y, width: value.width_mm + 2 * x, height: value.height_mm + 2 * y };
  svg.setAttribute("viewBox", Object.values(box).join(" "));
  svg.setAttribute("aria-label", value.side + " of the card with its eight lines");
  const image = svg.querySelector("image");
  for (const [key, to] of Object.entries({ ...box, href: value.picture.url })) image.setAttribute(key, to);
  find("scene").id = value.side + "-scene";
  image.id = value.side + "-flat";
  find("lens").firstElementChild.setAttribute("href", "#" + find("scene").id);
  find("title").textContent = (value.side === "front" ? "Front" : "Back") + ": centering";
  drawFindings();
  drawCloseUps(image.id);
  drawLines();
  tell();
}

function drawFindings() {
  const [circles, list] = [find("circles"), find("findings")];
  circles.replaceChildren();
  list.replaceChildren();
  const middle = [value.width_mm / 2, value.height_mm / 2];
  for (const { number, place, what, at_mm: [x, y], reach_mm, points_mm, circled } of value.findings) {
    write("li", place + ": " + what, list);
    if (!circled) continue;
    const away = Math.hypot(middle[0] - x, middle[1] - y) || 1, far = (reach_mm + 1.4) / away;
    const pen = { fill: "none", stroke: FOUND, ...THIN };
    draw("circle", { cx: x, cy: y, r: reach_mm, "stroke-width": 2, ...pen }, circles);
    draw("polyline", { points: points_mm.join(" "), "stroke-width": 1, ...pen }, circles);
    const text = { fill: FOUND, stroke: SHADOW, "stroke-width": 0.5, "paint-order": "stroke", "font-size": 2.4 };
    draw("text", { x: x + (middle[0] - x) * far, y: y + (middle[1] - y) * far, ...text }, circles, number);
  }
  const count = value.findings.length;
  const nothing = "No wear was found" + (value.unread.length ? " where it could be measured" : "");
  find("found").textContent = count ? "What was found" : nothing;
  find("unread").textContent = value.unread.join(" ");
}

// As the picture has them: a whole number of screen pixels for each of its own. Edges are turned, the outside on top.
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
  const figure = write("figure", "", parent);
  const [width, height] = box.slice(2).map((length) => Math.round(length * value.px_per_mm * times));
  const view = draw("svg", { viewBox: box.join(" "), width, height, role: "img", "aria-label": name }, figure);
  draw("use", { href: "#" + flat, transform: "matrix(" + turn.join(",") + ")" }, view);
  write("figcaption", name, figure);
}

// All dots lie above all lines, so that a line that crosses a dot does not take what is meant for it.
function drawLines() {
  find("lines").replaceChildren();
  const [below, above] = [0, 1].map(() => draw("g", {}, find("lines")));
  lines = Object.keys(KINDS).flatMap((kind) => value[kind].map((points, side) => {
    const name = value.side + ": " + KINDS[kind] + ", " + NAMES[side];
    const way = across(side) ? "across" : "down";
    const looks = { class: "line " + kind + " " + way };
    const group = draw("g", { ...looks, "data-line": kind + "-" + NAMES[side] }, below);
    const dots = draw("g", { ...looks, "data-dots": kind + "-" + NAMES[side] }, above);
    const handle = (label) => ({
      tabindex: 0,
      role: "slider",
      "aria-label": label,
      "aria-orientation": across(side) ? "vertical" : "horizontal",
      "aria-valuemin": -value.margin_mm[across(side)],
      "aria-valuemax": size(across(side)) + value.margin_mm[across(side)],
    });
    const pens = [["under", SHADOW, 3.5], ["shown", COLOURS[kind], 1.5], ["hit", "transparent", HIT_PX]];
    const strokes = pens.map(([part, stroke, width]) => {
      const reach = part === "hit" ? handle(name) : {};
      return draw("line", { class: part, stroke, "stroke-width": width, ...THIN, ...reach }, group);
    });
    const ends = [0, 1].map((end) => {
      const label = name + ", tilt by its " + (end ? "second" : "first") + " end";
      const grip = { class: "grip", r: GRIP_MM, fill: "transparent", ...handle(label) };
      const dot = { class: "dot", r: DOT_MM, fill: COLOURS[kind], stroke: SHADOW, ...THIN };
      return [draw("circle", grip, dots), draw("circle", dot, dots)];
    });
    const line = { kind, side, group, strokes, ends };
    const held = [[strokes[2], [0, 1]], [ends[0][0], [0]], [ends[1][0], [1]]];
    for (const [node, which] of held) node.addEventListener("pointerdown", (event) => take(event, line, which));
    for (const part of [group, dots]) part.addEventListener("keydown", (event) => press(event, line));
    place(line);
    return line;
  }));
}

function place({ kind, side, strokes, ends }) {
  const points = value[kind][side], axis = across(side), other = 1 - axis;
  const reach = [-BEYOND_MM, size(other) + BEYOND_MM].map((along) => {
    const point = [along, along];
    point[axis] = placeAt(points, axis, along);
    return point;
  });
  const [[x1, y1], [x2, y2]] = reach;
  for (const stroke of strokes) for (const [key, to] of Object.entries({ x1, y1, x2, y2 })) stroke.setAttribute(key, to);
  ends.forEach((pair, end) => pair.forEach((node) => {
    node.setAttribute("cx", points[end][0]);
    node.setAttribute("cy", points[end][1]);
    node.setAttribute("aria-valuenow", points[end][axis].toFixed(2));
  }));
  const at = placeAt(points, axis, size(other) / 2).toFixed(2);
  strokes[2].setAttribute("aria-valuenow", at);
  strokes[2].setAttribute("aria-valuetext", at + " mm from the card's " + (axis ? "top" : "left"));
}

function move(line, which, by) {
  const points = value[line.kind][line.side], axis = across(line.side), margin = value.margin_mm[axis];
  for (const end of which) points[end][axis] = Math.min(Math.max(points[end][axis] + by, -margin), size(axis) + margin);
  place(line);
  value.by_hand = true;
  value.said = NOT_SAVED;
  settleButtons();
  ask();
}

const inMillimetres = (event) => {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [x, y];
};

function take(event, line, which) {
  if (event.button) return;
  event.preventDefault();
  event.stopPropagation();
  const start = inMillimetres(event), node = event.currentTarget;
  if (which.length === 2) line = nearest(start, line);
  const axis = across(line.side), first = which[0], before = value[line.kind][line.side][first][axis];
  node.setPointerCapture(event.pointerId);
  line.strokes[2].focus({ preventScroll: true });
  line.group.classList.add("held");
  look(line, start);
  const follow = (moved) => {
    const now = inMillimetres(moved);
    move(line, which, before + now[axis] - start[axis] - value[line.kind][line.side][first][axis]);
    look(line, now);
  };
  const leave = () => {
    line.group.classList.remove("held");
    find("lens").setAttribute("hidden", "");
    node.removeEventListener("pointermove", follow);
    for (const end of ["pointerup", "pointercancel"]) node.removeEventListener(end, leave);
    keep();
  };
  node.addEventListener("pointermove", follow);
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, leave);
}

// Where two lines run close together, the nearer one is meant and not the one drawn last.
function nearest(point, taken) {
  const off = (line) => {
    const axis = across(line.side);
    return Math.abs(placeAt(value[line.kind][line.side], axis, point[1 - axis]) - point[axis]);
  };
  const alike = lines.filter((line) => across(line.side) === across(taken.side));
  return alike.reduce((best, line) => (off(line) < off(best) ? line : best), taken);
}

// A lens over the held place, on the other half of the card: the finger hides what it moves.
function look(line, [x, y]) {
  const axis = across(line.side), middle = [x, y];
  middle[axis] = placeAt(value[line.kind][line.side], axis, middle[1 - axis]);
  const lens = find("lens");
  lens.removeAttribute("hidden");
  lens.setAttribute("viewBox", [middle[0] - LENS_MM / 2, middle[1] - LENS_MM / 2, LENS_MM, LENS_MM].join(" "));
  lens.style.left = x < value.width_mm / 2 ? "55%" : "15%";
  lens.style.top = y < value.height_mm / 2 ? "60%" : "10%";
}

function press(event, line) {
  const way = KEYS[event.key], upOrDown = event.key === "ArrowUp" || event.key === "ArrowDown";
  if (!way || upOrDown !== (across(line.side) === 1)) return;
  event.preventDefault();
  event.stopPropagation();
  const end = line.ends.findIndex(([grip]) => grip === event.target);
  move(line, end < 0 ? [0, 1] : [end], way * (event.shiftKey ? LONG_STEP_MM : STEP_MM));
  keep();
}

// The server alone computes; while it does, lines may move on, and are asked about again.
async function ask() {
  askAgain = asking;
  if (asking) return;
  asking = true;
  try {
    const asked = value;
    const numbers = await server.numbers_of_lines({ ...asked, findings: [], found: null, picture: null });
    if (asked === value && value.by_hand) {
      value.numbers = numbers;
      tell();
      keep();
    }
  } finally {
    asking = false;
  }
  if (askAgain) ask();
}

// What lies in the page is what an event sends, and what the server then compares its answer with.
const keep = () => { if (value) props.value = structuredClone(value); };

function tell() {
  const rows = element.querySelector(".numbers tbody");
  rows.replaceChildren();
  for (const { axis, mm, share, uncertainty, allows } of value.numbers.rows) {
    const row = write("tr", "", rows);
    for (const text of [axis, mm, share + " " + uncertainty, allows]) write("td", text, row);
  }
  find("numbers").hidden = !value.numbers.rows.length;
  find("sentence").textContent = value.numbers.sentence;
  settleButtons();
}

function settleButtons() {
  find("said").textContent = value.said;
  find("save").disabled = value.said !== NOT_SAVED;
  find("reset").disabled = !value.by_hand;
}

// Lines that were kept say where the card lies: without them it is for the server to measure it anew.
find("reset").addEventListener("click", () => {
  if (value.kept) { trigger("clear"); return; }
  Object.assign(value, structuredClone(value.found), { by_hand: false, said: "" });
  lines.forEach(place);
  tell();
  keep();
});
find("save").addEventListener("click", () => { keep(); trigger("submit"); });
watch("value", show);
show();
