// The bar above both sides: zoom, layers, and the saliency maps. The views listen for the event "loupe-layers".
// Provided by Gradio: element, props (value: see card_layers.py), trigger, watch.
const RATINGS = {
  strong: "strong: hiding its bright areas raises the grade more than hiding any of 19 areas chosen by chance.",
  weak: "weak: hiding its bright areas raises the grade more than hiding most areas chosen by chance, not all.",
  none: "none: hiding its bright areas changes the grade no more than hiding areas chosen by chance. It is no reason for the grade and is not shown.",
};
const NOT_CHECKED = "Bright areas count against the grade more than the rest of the card, on one scale for both sides. It is not checked yet whether the grade hangs on them.";
const CHECKING = "Checking: the bright areas are hidden, then areas chosen by chance, and the card is graded each time. This takes some seconds.";
const loupe = window.loupe, layers = loupe.layers;
const find = (selector) => element.querySelector(selector);
const views = () => Object.values(loupe.views);
let isChecking = false, results = {};

function update() {
  const given = props.value ?? {};
  if (given.maps && given.card !== layers.card) results = {};
  if (given.maps) Object.assign(layers, { maps: given.maps, card: given.card });
  // The answer to a check comes without the maps; it is dropped if another card was graded meanwhile.
  if (given.card === layers.card) Object.assign(results, given.faithfulness);
  const checked = results[layers.method];
  find(".problem").textContent = given.problem ?? "";
  const hasMaps = Object.keys(layers.maps).length > 0;
  find(".has-map").hidden = !hasMaps;
  find(".map-options").hidden = !hasMaps || !layers.map;
  for (const box of element.querySelectorAll("[data-layer]")) box.checked = layers[box.dataset.layer];
  find(".method").value = layers.method;
  find(".opacity").value = layers.opacity;
  find(".check").disabled = isChecking || Boolean(checked);
  layers.hidden = Object.fromEntries(Object.entries(checked ?? {}).map(([side, rating]) => [side, rating === "none"]));
  const sentences = Object.entries(checked ?? {}).map(([side, rating]) => (side === "front" ? "Front" : "Back") + ": " + RATINGS[rating]);
  find(".outcome").textContent = isChecking ? CHECKING : sentences.join(" ") || NOT_CHECKED;
  document.dispatchEvent(new Event("loupe-layers"));
}

const ACTIONS = { whole: (view) => view.showWhole(), in: (view) => view.zoomBy(1.6), out: (view) => view.zoomBy(1 / 1.6), native: (view) => view.showNative() };
for (const button of element.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => {
    const shown = views().filter((view) => view.card());
    // Linked, the first side leads the other.
    for (const view of layers.linked ? shown.slice(0, 1) : shown) ACTIONS[button.dataset.do](view);
  });
}
for (const box of element.querySelectorAll("[data-layer]")) {
  box.addEventListener("change", () => { layers[box.dataset.layer] = box.checked; update(); });
}
find(".method").addEventListener("change", (event) => { layers.method = event.target.value; update(); });
find(".opacity").addEventListener("input", (event) => { layers.opacity = Number(event.target.value); update(); });
find(".check").addEventListener("click", () => {
  isChecking = true;
  update();
  props.value = { card: layers.card, method: layers.method };
  trigger("submit");
});
watch("value", () => { isChecking = isChecking && props.value?.method !== undefined; update(); });
update();
