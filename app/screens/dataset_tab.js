// Dataset page: counts of the cards, and a gallery of those that pass the filters, to select and change many at once.
// Provided by Gradio: element, props (value: see dataset_tab.py), server, trigger, watch.
const CARDS_PER_PAGE = 48, CARDS_AT_ONCE = 12, CHANGED_AT_ONCE = 2000, RETRY_MS = 1000;
const given = props.value ?? {};
const find = (selector) => element.querySelector(selector);
const append = (name, text, parent, properties = {}) => Object.assign(parent.appendChild(document.createElement(name)), { textContent: text, ...properties });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const counted = (count) => count.toLocaleString() + (count === 1 ? " card" : " cards");

// --- Server -----------------------------------------------------------------------------------------------------------
const labeler = () => JSON.parse(localStorage.getItem("loupe-labeler") ?? '""');
// Gradio's function of the server returns nothing if it was not reached.
async function ask(name, value = {}) {
  for (;;) {
    const answer = await server[name]({ name: labeler(), ...value });
    find(".connection").hidden = answer !== undefined && answer !== null;
    if (answer !== undefined && answer !== null) return answer;
    find(".connection").textContent = "The server does not answer. Trying again ...";
    await pause(RETRY_MS);
  }
}

function say(text, isRefusal = false) {
  find(".outcome").textContent = text;
  find(".outcome").classList.toggle("refused", isRefusal);
}

// --- Counts -----------------------------------------------------------------------------------------------------------
let filters = {}, folder = "";
async function count() {
  const answer = await ask("dataset_counts");
  if (answer.problem) { say(answer.problem, true); return; }
  folder = answer.folder;
  find(".empty").hidden = answer.total > 0;
  find(".content").hidden = answer.total === 0 && !kept.undo; // all of them may just have been moved to the bin
  find(".total").textContent = counted(answer.total);
  find(".parts").replaceChildren();
  [rare, wornCopies] = [answer.rare, answer.worn_copies];
  drawViews();
  if (view === "rare") openView(view);
  for (const part of answer.parts.filter(({ rows }) => rows.length)) drawPart(part);
  markRows();
}

function drawPart({ name, title, rows }) {
  const section = append("section", "", find(".parts"), { className: "part" });
  append("h3", title, section);
  const list = append("ul", "", section), most = Math.max(...rows.map((row) => row.count), 1);
  for (const { value, text, count: number } of rows) {
    const row = append("button", "", append("li", "", list), { type: "button", className: "row", disabled: value === null, title: value === null ? "" : "Show these cards below" });
    Object.assign(row.dataset, { part: name, value: value ?? "" });
    append("span", text, row, { className: "text" });
    append("i", "", append("span", "", row)).style.width = (100 * number) / most + "%";
    append("span", number.toLocaleString(), row, { className: "count" });
    row.addEventListener("click", () => {
      const isOn = row.getAttribute("aria-pressed") === "true";
      show({ [name]: isOn ? "" : value });
      find(".gallery").scrollIntoView({ block: "start", behavior: "smooth" });
    });
  }
}

function markRows() {
  for (const row of element.querySelectorAll(".row:not(:disabled)")) row.setAttribute("aria-pressed", String(isFiltered() && (filters[row.dataset.part] ?? "") === row.dataset.value));
}

// --- Gallery ----------------------------------------------------------------------------------------------------------
let ids = [], page = 0, turn = 0, listName = null, lastTile = -1;
const selected = new Set();
const isFiltered = () => listName === null;
const form = find(".filters");

// The cards that pass the filters; `changed` are filters that are to be others.
async function show(changed = {}) {
  filters = Object.fromEntries(Object.entries({ ...(isFiltered() ? filters : {}), ...changed }).filter(([, value]) => value));
  listName = null;
  await list();
}

// A list of cards that no filter describes, such as those that a model takes for another grade.
async function showList(name, cards) {
  listName = name;
  filters = {};
  ids = cards;
  selected.clear();
  fillForm();
  await turnTo(0);
  find(".gallery").scrollIntoView({ block: "start", behavior: "smooth" });
}

async function list(keepsPage = false) {
  const mine = ++turn;
  fillForm();
  const answer = await ask("dataset_cards", { filters });
  if (mine !== turn) return;
  if (answer.problem) { say(answer.problem, true); return; }
  ids = answer.ids ? answer.ids.split(",").map(Number) : [];
  fillForm(answer.choices);
  const there = new Set(ids);
  for (const id of selected) if (!there.has(id)) selected.delete(id);
  await turnTo(keepsPage ? Math.min(page, Math.max(Math.ceil(ids.length / CARDS_PER_PAGE) - 1, 0)) : 0);
}

async function turnTo(number) {
  const mine = ++turn;
  page = number;
  lastTile = -1;
  const shown = ids.slice(page * CARDS_PER_PAGE, (page + 1) * CARDS_PER_PAGE);
  const pages = Math.max(Math.ceil(ids.length / CARDS_PER_PAGE), 1);
  find(".list-name").textContent = listName ?? (Object.keys(filters).length ? counted(ids.length) + " pass the filters" : "All " + counted(ids.length));
  find(".all-cards").hidden = isFiltered() && !Object.keys(filters).length;
  find(".place").textContent = "Page " + (page + 1).toLocaleString() + " of " + pages.toLocaleString();
  find(".previous").disabled = page === 0;
  find(".next").disabled = page >= pages - 1;
  find(".pages").hidden = pages === 1;
  countSelected();
  markRows();
  find(".gallery .cards").replaceChildren();
  for (let start = 0; start < shown.length; start += CARDS_AT_ONCE) {
    const answer = await ask("gallery_cards", { ids: shown.slice(start, start + CARDS_AT_ONCE) });
    if (mine !== turn) return;
    if (answer.problem) { say(answer.problem, true); return; }
    for (const card of answer.cards) drawTile(card, find(".gallery .cards"));
  }
  await findMoved(mine);
}

// Files that are not in their place are looked for when all others are shown: that takes seconds with many cards.
async function findMoved(mine) {
  const tiles = [...find(".gallery .cards").children].filter((tile) => tile.querySelector(".trouble"));
  if (!tiles.length) return;
  const answer = await ask("gallery_cards", { ids: tiles.map(({ dataset }) => Number(dataset.card)), search: true });
  if (mine !== turn) return;
  for (const card of answer.cards ?? []) {
    const tile = tiles.find(({ dataset }) => Number(dataset.card) === card.id);
    tile.replaceWith(drawTile(card, find(".gallery .cards")));
  }
}

const SPLITS = { train: "train", val: "validation", test: "test" };
function drawTile(card, parent) {
  const tile = append("li", "", parent, { className: "tile" }), label = append("label", "", tile);
  const box = append("input", "", label, { type: "checkbox", checked: selected.has(card.id) });
  box.setAttribute("aria-label", "Select " + card.name + ", " + card.label);
  drawSides(card, label);
  append("span", card.label, label, { className: "grade" });
  append("span", card.name + ", " + SPLITS[card.split], label, { className: "name", title: card.name });
  const place = ids.indexOf(card.id);
  append("button", "Label", tile, { type: "button", title: "Open this card in the Label tab" }).addEventListener("click", () => takeIntoQueue([card.id]));
  // With Shift, all cards from the last one that was pressed.
  box.addEventListener("click", ({ shiftKey }) => {
    const [first, last] = shiftKey && lastTile >= 0 ? [Math.min(lastTile, place), Math.max(lastTile, place)] : [place, place];
    for (const id of ids.slice(first, last + 1)) if (box.checked) selected.add(id); else selected.delete(id);
    lastTile = place;
    checkTiles();
  });
  tile.dataset.card = card.id;
  return tile;
}

function drawSides(card, parent) {
  const sides = ["front", "back"].filter((side) => card[side]);
  const box = append("span", "", parent, { className: "sides" + (sides.length === 1 ? " single" : "") });
  for (const side of sides) {
    if (card[side].url) append("img", "", box, { src: card[side].url, alt: side === "front" ? "Front of " + card.name : "Back of " + card.name, loading: "lazy", title: card[side].problem ?? "" });
    else append("span", "The " + side + " is missing", box, { className: "trouble", title: card[side].problem });
  }
}

function checkTiles() {
  for (const tile of find(".gallery .cards").children) tile.querySelector("input").checked = selected.has(Number(tile.dataset.card));
  countSelected();
}

function countSelected() {
  find(".selected").textContent = selected.size.toLocaleString() + " selected";
  find(".select-all").textContent = "Select all " + ids.length.toLocaleString();
  find(".select-all").disabled = !ids.length || isBusy;
  for (const button of element.querySelectorAll(".select-none, [data-act]")) button.disabled = !selected.size || isBusy;
  find(".queue").disabled = !ids.length;
  find(".queue").textContent = selected.size ? "Label the selected cards" : "Label these cards";
  find(".undo").disabled = !kept.undo || isBusy;
  find(".undo").title = kept.undo ? "Take back " + kept.undo : "";
}

function fillForm(choices) {
  const grades = [["", "any"], ...GRADES.map(([value]) => [value, value]), ["none", "not labelled"], ["qualifier", "no grade: authentic, N-codes"]];
  const lists = { grade: grades, game: choices?.game, author: choices?.author };
  for (const [field, options] of Object.entries(lists)) {
    if (!options) continue;
    const select = form.elements[field];
    select.replaceChildren();
    const named = field === "grade" ? options : [["", "any"], ...[...new Set([...options, filters[field]].filter(Boolean))].map((name) => [name, name])];
    for (const [value, text] of named) append("option", text, select, { value });
  }
  for (const field of form.elements) if (field.name) field.value = filters[field.name] ?? "";
}

// --- Changes of many cards --------------------------------------------------------------------------------------------
// The numbers go on after a reload, so that the server can undo what was done before it.
const KEPT = "loupe-dataset";
const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") ?? { page: crypto.getRandomValues(new Uint32Array(3)).join("-"), number: 0, part: 0, undo: "" };
let isBusy = false;

async function change(act, cards) {
  isBusy = true;
  countSelected();
  kept.number += 1;
  let answer = {};
  for (let done = 0; done < cards.length; done += CHANGED_AT_ONCE) {
    if (cards.length > CHANGED_AT_ONCE) say("Changing cards: " + done.toLocaleString() + " of " + cards.length.toLocaleString() + " ...");
    answer = await changePart({ ...act, ids: cards.slice(done, done + CHANGED_AT_ONCE) });
    if (answer.problem) break;
  }
  await finish(answer);
}

async function undo() {
  isBusy = true;
  countSelected();
  kept.number += 1;
  let answer = { left: 1 };
  while (answer.left) {
    answer = await changePart({ kind: "undo" });
    if (answer.left) say("Taking back: " + counted(answer.left) + " left ...");
  }
  await finish(answer);
}

async function changePart(act) {
  kept.part += 1;
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  const answer = await ask("change_cards", { ...act, page: kept.page, number: kept.number, part: kept.part, folder });
  if (!answer.problem) kept.undo = answer.undo;
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  return answer;
}

async function finish(answer) {
  isBusy = false;
  say(answer.problem ? "Not done: " + answer.problem : answer.message, Boolean(answer.problem));
  if (isFiltered()) await Promise.all([count(), list(true)]);
  else await Promise.all([count(), turnTo(page)]);
}

for (const button of element.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => {
    const act = { kind: button.dataset.act };
    if (act.kind === "label") {
      const chosen = find(".new-grade").value;
      if (!chosen) { say("Choose a grade first, beside “Set grade”.", true); return; }
      if (Number(chosen)) act.grade = Number(chosen);
      else act.qualifier = chosen;
    }
    const cards = ids.filter((id) => selected.has(id));
    if (act.kind === "bin") selected.clear();
    change(act, cards);
  });
}
find(".undo").addEventListener("click", undo);

// --- Label queue ------------------------------------------------------------------------------------------------------
// The Label tab reads the cards from there, see label_desk.js.
function takeIntoQueue(cards) {
  localStorage.setItem("loupe-chosen", JSON.stringify(cards));
  window.dispatchEvent(new Event("loupe-chosen"));
  trigger("submit");
}

// --- Buttons and forms ------------------------------------------------------------------------------------------------
const GRADES = given.grades ?? [];
for (const [value, text] of [["", "choose"], ...GRADES, ...(given.no_grades ?? [])]) append("option", text, find(".new-grade"), { value });
find(".filter-box").open = matchMedia("(min-width: 761px)").matches;
find(".select-all").addEventListener("click", () => { for (const id of ids) selected.add(id); checkTiles(); });
find(".select-none").addEventListener("click", () => { selected.clear(); checkTiles(); });
find(".all-cards").addEventListener("click", () => form.reset());
find(".previous").addEventListener("click", () => turnTo(page - 1));
find(".next").addEventListener("click", () => turnTo(page + 1));
find(".queue").addEventListener("click", () => takeIntoQueue(selected.size ? ids.filter((id) => selected.has(id)) : ids));
const applyForm = () => { listName = null; show(Object.fromEntries(new FormData(form))); };
form.addEventListener("change", applyForm);
form.addEventListener("reset", () => setTimeout(() => { filters = {}; applyForm(); }));
form.addEventListener("submit", (event) => { event.preventDefault(); applyForm(); });

// --- Start ------------------------------------------------------------------------------------------------------------
let opened = null;
async function update() {
  const version = props.value?.version;
  if (!version || version === opened) return;
  opened = version;
  await Promise.all([count(), isFiltered() ? list(true) : turnTo(page)]);
  followAddress();
}
watch("value", update);
window.addEventListener("hashchange", followAddress);
update();
