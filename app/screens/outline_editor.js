// Outline editor: four corners over the picture, dragged by mouse or finger, or moved by arrow keys. Picture pixels.
// Provided by Gradio: element, props (value: see outline_editor.py), trigger, watch.
const CORNERS = ["top left", "top right", "bottom right", "bottom left"], LENS_SHARE = 0.08, RADIUS_SHARE = 0.022;
const KEYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const find = (selector) => element.querySelector(selector);
const svg = find(".picture"), polygon = find("polygon"), lens = find(".lens");
let value = null, circles = [];

function render() {
  value = props.value?.quad ? structuredClone(props.value) : null;
  find(".outline").hidden = !value;
  if (!value) return;
  svg.setAttribute("viewBox", [-0.5, -0.5, value.width, value.height].join(" "));
  const image = find("image"), name = value.side === "front" ? "Front" : "Back";
  for (const [key, setting] of Object.entries({ x: -0.5, y: -0.5, width: value.width, height: value.height, href: value.picture.url })) image.setAttribute(key, setting);
  find(".scene").id = value.side + "-outline-scene";
  lens.firstElementChild.setAttribute("href", "#" + find(".scene").id);
  find("summary").textContent = name + ": outline of the card, " + (value.by_hand ? "laid by hand" : "as found");
  find(".corners").replaceChildren();
  circles = CORNERS.map((corner, index) => {
    const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    const settings = { r: RADIUS_SHARE * Math.max(value.width, value.height), tabindex: 0, role: "button", "data-corner": index, class: index ? "" : "first" };
    for (const [key, setting] of Object.entries(settings)) circle.setAttribute(key, setting);
    circle.setAttribute("aria-label", name + ": " + corner + " corner of the card; arrow keys move it");
    circle.addEventListener("pointerdown", (event) => startDrag(event, index));
    circle.addEventListener("keydown", (event) => moveByKey(event, index));
    circle.addEventListener("keyup", (event) => { if (KEYS[event.key]) send(); });
    return find(".corners").appendChild(circle);
  });
  update();
}

function update() {
  polygon.setAttribute("points", value.quad.map((corner) => corner.join(",")).join(" "));
  circles.forEach((circle, index) => { circle.setAttribute("cx", value.quad[index][0]); circle.setAttribute("cy", value.quad[index][1]); });
  find(".reset").disabled = !value.by_hand;
}

function move(index, x, y) {
  value.quad[index] = [Math.min(Math.max(x, -0.5), value.width - 0.5), Math.min(Math.max(y, -0.5), value.height - 0.5)];
  value.by_hand = true;
  update();
}

function startDrag(event, index) {
  if (event.button) return;
  event.preventDefault();
  const node = event.currentTarget, inPicture = (moved) => new DOMPoint(moved.clientX, moved.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const start = inPicture(event), [x, y] = value.quad[index];
  node.setPointerCapture(event.pointerId);
  node.focus({ preventScroll: true });
  const follow = (moved) => {
    const now = inPicture(moved);
    move(index, x + now.x - start.x, y + now.y - start.y);
    showLens(index);
  };
  const end = () => {
    node.removeEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"]) node.removeEventListener(name, end);
    lens.setAttribute("hidden", "");
    if (value.quad[index][0] !== x || value.quad[index][1] !== y) send();
  };
  node.addEventListener("pointermove", follow);
  for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, end);
}

// On the other half of the picture, since the finger hides the corner.
function showLens(index) {
  const [x, y] = value.quad[index], size = LENS_SHARE * Math.max(value.width, value.height);
  lens.removeAttribute("hidden");
  lens.setAttribute("viewBox", [x - size / 2, y - size / 2, size, size].join(" "));
  Object.assign(lens.style, x < value.width / 2 ? { right: "8px", left: "auto" } : { left: "8px", right: "auto" });
}

function moveByKey(event, index) {
  const direction = KEYS[event.key];
  if (!direction) return;
  event.preventDefault();
  const [x, y] = value.quad[index], step = event.shiftKey ? 10 : 1;
  move(index, x + step * direction[0], y + step * direction[1]);
}

function send() {
  props.value = structuredClone(value);
  window.loupe.press();
  trigger("submit");
}
find(".turn").addEventListener("click", () => {
  value.quad.unshift(value.quad.pop()); // what was the bottom left becomes the top left: clockwise
  value.by_hand = true;
  send();
});
find(".reset").addEventListener("click", () => {
  Object.assign(value, { quad: structuredClone(value.found), by_hand: false });
  send();
});
watch("value", render);
render();
