// Labeling desk: shows a card, takes decisions by keys and buttons, and sends them to the server in their order.
// A decision counts for the card that is on the screen in full. What is pressed before the next one is there waits for
// it. Decisions are kept in the browser until the server has saved them.
// Provided by Gradio: element, props (value: see label_desk.py), server, watch.
const AHEAD = 4, KEPT_CARDS = 60, RETRY_MS = 1000, COUNTS_AFTER_MS = 1500, SCORING_MS = 5000, ORPHAN_MS = 30000;
const ACTS_AT_ONCE = 50, OPEN_ZOOM_AFTER_MS = 150;
const MIN_STAGE_PX = 220, MAX_HEIGHT_TO_WIDTH = 1.6;
const OUTBOX = "loupe-outbox:";
const loupe = window.loupe; // see page.py
const find = (selector) => element.querySelector(selector);
const desk = find(".desk");
const append = (name, text, parent, properties = {}) => Object.assign(parent.appendChild(document.createElement(name)), { textContent: text, ...properties });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const given = props.value ?? {};

// --- What the browser keeps -------------------------------------------------------------------------------------------
const read = (store, key, otherwise) => JSON.parse(store.getItem(key) ?? "null") ?? otherwise;
const write = (store, key, value) => store.setItem(key, JSON.stringify(value));
const page = read(sessionStorage, "loupe-page", null) ?? crypto.getRandomValues(new Uint32Array(3)).join("-");
write(sessionStorage, "loupe-page", page);
let number = read(sessionStorage, "loupe-act", 0);
let outbox = read(localStorage, OUTBOX + page, { acts: [] }).acts;
let labeler = read(localStorage, "loupe-labeler", "");

function keepOutbox() {
  write(sessionStorage, "loupe-act", number);
  if (outbox.length) write(localStorage, OUTBOX + page, { acts: outbox, at: Date.now() });
  else localStorage.removeItem(OUTBOX + page);
}

// A tab that was closed while the server was away left its decisions behind; sending one twice changes nothing.
function adoptOrphans() {
  for (const key of Object.keys(localStorage).filter((name) => name.startsWith(OUTBOX) && name !== OUTBOX + page)) {
    const orphan = read(localStorage, key, { acts: [], at: 0 });
    if (Date.now() - orphan.at < ORPHAN_MS) continue;
    localStorage.removeItem(key);
    outbox.push(...orphan.acts.filter(({ kind }) => kind !== "undo" && kind !== "redo").map((act) => ({ ...act, number: ++number })));
  }
  keepOutbox();
}

// --- Server -----------------------------------------------------------------------------------------------------------
let isAway = false;
function showConnection(problem) {
  isAway = Boolean(problem);
  const waiting = outbox.length, kept = waiting === 1 ? "One decision is kept" : waiting + " decisions are kept";
  find(".connection").hidden = !isAway;
  if (isAway) find(".connection").textContent = problem + (waiting ? " " + kept + " in this browser and will be sent again." : " Trying again ...");
}
const NO_ANSWER = "The server does not answer.";

// Gradio's function of the server returns nothing if it was not reached.
async function ask(name, value) {
  for (;;) {
    const answer = await server[name]({ name: labeler, ...value });
    if (answer !== undefined && answer !== null) {
      if (isAway) showConnection("");
      return answer;
    }
    showConnection(NO_ANSWER);
    await pause(RETRY_MS);
  }
}

let sending = null;
const waiters = new Map(); // by number: what to do with the answer
function send() {
  sending ??= sendAll().finally(() => { sending = null; });
  return sending;
}

async function sendAll() {
  while (outbox.length) {
    const acts = outbox.slice(0, ACTS_AT_ONCE);
    const answer = await server.label_acts({ name: labeler, page, acts });
    const isRefused = answer?.problem && answer.unusable; // sent again, it would be refused again
    if (!answer?.answers && !isRefused) {
      showConnection(answer?.problem ?? NO_ANSWER);
      await pause(RETRY_MS);
      continue;
    }
    outbox = outbox.slice(acts.length);
    keepOutbox();
    if (isAway) showConnection("");
    const answers = answer.answers ?? acts.map((act) => ({ number: act.number, ok: false, message: answer.problem }));
    for (const result of answers) settle(result);
  }
  showSaving();
}

// An answer is shown together with the card that follows it.
let news = null;
function settle(result) {
  if (result.message) news = result;
  if (isShown) showNews();
  waiters.get(result.number)?.(result);
  waiters.delete(result.number);
  countLater();
}

function showNews() {
  if (news) say(news.message, !news.ok);
  news = null;
}

function decide(act) {
  number += 1;
  outbox.push({ ...act, number });
  keepOutbox();
  if (isAway) showConnection(NO_ANSWER); // with the number that is kept now
  const answered = new Promise((resolve) => waiters.set(number, resolve));
  send();
  return answered;
}

function say(text, isRefusal = false) {
  find("#label-status").textContent = text;
  find("#label-status").classList.toggle("refused", isRefusal);
}
const showSaving = () => { desk.dataset.unsaved = outbox.length; };

let countTimer = 0;
function countLater(after_ms = COUNTS_AFTER_MS) {
  clearTimeout(countTimer);
  countTimer = setTimeout(async () => {
    const { counts, scoring } = await ask("label_counts", {});
    find("#label-counts").textContent = counts ?? "";
    find("#scored-cards").textContent = scoring ?? "";
    if (scoring && element.isConnected) countLater(SCORING_MS);
  }, after_ms);
}

// --- Queue ------------------------------------------------------------------------------------------------------------
const saved = read(localStorage, "loupe-place", {});
let entry = given.entry ?? saved.entry, filters = saved.filters ?? {};
let ids = [], at = 0, current = null, isShown = false, turn = 0;
const cards = new Map(); // by row id: promises

const keepPlace = () => write(localStorage, "loupe-place", { entry, filters, id: ids[at], at });

async function openQueue(id = ids[at], place = at) {
  const mine = ++turn;
  isShown = false;
  await Promise.race([send(), pause(RETRY_MS)]);
  const chosen = entry === given.chosen_entry ? read(localStorage, "loupe-chosen", []) : [];
  const answer = await ask("open_queue", { entry, filters, chosen });
  if (mine !== turn) return;
  if (answer.problem) { say(answer.problem, true); return; }
  cards.clear();
  ids = answer.ids ? answer.ids.split(",").map(Number) : [];
  find("#queue-length").textContent = ids.length;
  fillChoices(answer);
  const found = id === undefined ? -1 : ids.indexOf(id);
  await go(found >= 0 ? found : Math.min(place, Math.max(ids.length - 1, 0)), 1);
  countLater(0);
}

// The cards from a place on come together, and their pictures are loaded before they are needed.
function cardAt(place) {
  if (!cards.has(ids[place])) {
    const missing = ids.slice(place, place + AHEAD).filter((id) => !cards.has(id));
    const coming = load(missing);
    for (const id of missing) cards.set(id, coming.then((byId) => byId.get(id) ?? null));
  }
  return cards.get(ids[place]);
}

async function load(missing) {
  if (outbox.some(({ key }) => missing.includes(Number(key.split(":")[0])))) await send();
  const answer = await ask("queue_cards", { ids: missing, entry, keep: current ? [current.id] : [] });
  const byId = new Map((answer.cards ?? []).map((card) => [card.id, card]));
  if (answer.problem) say(answer.problem, true);
  for (const card of byId.values()) {
    for (const side of ["front", "back"].filter((name) => card[name]?.url)) {
      const picture = new Image();
      picture.src = card[side].url;
      card[side].picture = picture;
      card[side].decoded = picture.decode().then(() => true, () => false);
    }
  }
  return byId;
}

function forgetFarCards() {
  for (const id of cards.keys()) {
    if (cards.size <= KEPT_CARDS) return;
    if (id !== current?.id) cards.delete(id);
  }
}

// Goes to a place, past cards that are gone or that someone else has on his screen. After the last comes the first.
async function go(place, step, isJump = false) {
  const mine = ++turn;
  isShown = false;
  desk.classList.add("waiting");
  for (let tried = 0; tried < ids.length; tried += 1) {
    const index = ((place + tried * step) % ids.length + ids.length) % ids.length;
    const card = await cardAt(index);
    if (mine !== turn) return;
    if (card && (!card.claimed || isJump)) {
      at = index;
      await display(card);
      return;
    }
  }
  at = 0;
  await display(null);
}

async function showById(id) {
  const place = ids.indexOf(id);
  cards.delete(id);
  if (place >= 0) { await go(place, 1, true); return; }
  const mine = ++turn, byId = await load([id]);
  if (mine === turn) await display(byId.get(id) ?? null);
}

// --- Card on the screen -------------------------------------------------------------------------------------------------
async function display(card) {
  const mine = turn;
  current = card;
  isShown = false;
  for (const part of [".sides", ".about"]) find(part).hidden = !card;
  find(".no-card").hidden = Boolean(card);
  find("#queue-place").value = card ? at + 1 : "";
  closePanels();
  find("#qualifier").value = "";
  find(".half").checked = false;
  for (const button of element.querySelectorAll("[data-grade]")) button.toggleAttribute("data-on", false);
  if (card) showFacts(card);
  keepPlace();
  await Promise.all(["front", "back"].map((side) => sides[side].show(card?.[side] ?? null)));
  await Promise.race([new Promise((resolve) => requestAnimationFrame(resolve)), pause(200)]);
  if (mine !== turn) return;
  desk.classList.remove("waiting");
  desk.dataset.card = card?.id ?? "";
  isShown = true;
  showNews();
  if (card && ids.length > 1) { for (let n = 1; n <= AHEAD / 2; n += 1) cardAt((at + n) % ids.length); }
  forgetFarCards();
  carryOut();
}

function showFacts(card) {
  const heading = card.blind ? "Second look" : card.label === "not labelled" ? "Not labelled" : "Label: " + card.label;
  find("#current-grade h2").textContent = heading + (card.unsure ? ", unsure" : "");
  find("#current-grade .name").textContent = card.name;
  find(".card-facts").textContent = card.facts;
  find(".card-problems").textContent = card.problems.map((problem) => "Left out of training: " + problem + ".").join(" ");
  find(".reasons").replaceChildren();
  const claims = card.claimed ? ["someone else has this card on the screen now"] : [];
  for (const reason of [...claims, ...card.reasons]) append("li", reason, find(".reasons"));
  find(".opinion").hidden = true;
  const list = find("#label-history");
  list.replaceChildren();
  find(".history-title").hidden = !card.history.length;
  for (const { at: time, source, author, note, label, unsure } of card.history) {
    const when = new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    append("li", [when, author, source, note].filter(Boolean).join(", ") + ": " + label + (unsure ? ", unsure" : ""), list);
  }
}

class SideView {
  constructor(figure) {
    this.name = figure.dataset.side;
    this.stage = figure.querySelector(".stage");
    this.picture = this.stage.querySelector("img");
    this.timer = 0;
    this.viewer = null;
    this.lastBounds = null;
  }

  // The whole picture at once, as an image; what to zoom into is opened behind it when the labeler stays.
  async show(side) {
    clearTimeout(this.timer);
    delete this.stage.dataset.zoom;
    this.side = side;
    this.isFull = false;
    this.stage.querySelector(".trouble").textContent = side?.url ? "" : side ? "This picture is missing." : "No picture of this side.";
    this.picture.hidden = !side?.url;
    if (!side?.url) return;
    const isLoaded = await side.decoded;
    if (side !== this.side) return;
    this.picture.src = side.picture.src;
    if (!isLoaded) this.stage.querySelector(".trouble").textContent = "The picture could not be loaded.";
    else await this.picture.decode().catch(() => {}); // exchanged again meanwhile
    this.timer = setTimeout(() => this.open(side), OPEN_ZOOM_AFTER_MS);
  }

  async open(side) {
    if (!(await loupe.loadViewer()) || side !== this.side || !this.stage.clientWidth) return;
    if (!this.viewer) this.create();
    this.viewer.open({ type: "image", url: side.picture.src });
  }

  create() {
    this.viewer = loupe.deepZoom({
      element: this.stage.querySelector(".view"),
      label: "Picture of the card's " + this.name,
      isAtHome: () => this.isAtHome(),
      usesKeys: false,
    });
    this.viewer.addHandler("open", ({ source }) => {
      if (source.url !== this.side?.picture?.src) return;
      this.lastBounds = null;
      this.viewer.viewport.goHome(true);
      this.stage.dataset.zoom = "";
    });
    this.viewer.addHandler("update-viewport", () => this.follow());
  }

  get isOpen() { return "zoom" in this.stage.dataset; }
  isAtHome() {
    return this.isOpen && this.viewer.viewport.getZoom(true) <= this.viewer.viewport.getHomeZoom() * 1.02;
  }

  follow() {
    if (!this.isOpen) return;
    const viewport = this.viewer.viewport, isEnlarged = viewport.viewportToImageZoom(viewport.getZoom(true)) >= 1;
    this.viewer.drawer.setImageSmoothingEnabled(!isEnlarged);
    this.viewer.canvas.style.touchAction = this.isAtHome() ? "pan-y" : "none";
    if (isEnlarged && !this.isFull) this.loadFull();
    const bounds = viewport.getBounds(true), isAtRest = this.lastBounds && ["x", "y", "width"].every((key) => Math.abs(bounds[key] - this.lastBounds[key]) < 1e-5);
    this.lastBounds = bounds;
    if (find(".linked").checked && !isAtRest) sides[this.name === "front" ? "back" : "front"].showAs(bounds);
  }

  // The other side shows the same spot from behind: left is right there.
  showAs({ x, y, width, height }) {
    if (!this.isOpen) return;
    this.viewer.viewport.fitBounds(new OpenSeadragon.Rect(1 - x - width, y, width, height), true);
    this.lastBounds = this.viewer.viewport.getBounds(true); // it follows, and does not lead
  }

  // The picture with all its pixels takes the place of its smaller copy.
  async loadFull() {
    this.isFull = true;
    const side = this.side;
    if (side.px[0] <= side.picture.naturalWidth) return;
    const { url } = await ask("full_picture", { key: current.key, side: this.name });
    if (url && side === this.side) this.viewer.addTiledImage({ tileSource: { type: "image", url }, index: 0, replace: true });
  }

  zoomBy(factor) {
    if (!this.isOpen) return;
    this.viewer.viewport.zoomBy(factor);
    this.viewer.viewport.applyConstraints();
  }
  showWhole() { if (this.isOpen) this.viewer.viewport.goHome(); }
  showNative() {
    if (!this.isOpen) return;
    const scale = this.side.px[0] / this.viewer.world.getItemAt(0).source.dimensions.x;
    this.viewer.viewport.zoomTo(this.viewer.viewport.imageToViewportZoom(scale / window.devicePixelRatio));
    this.viewer.viewport.applyConstraints();
  }
}
const sides = Object.fromEntries([...element.querySelectorAll(".view-side")].map((figure) => [figure.dataset.side, new SideView(figure)]));
const eachSide = (action) => {
  const open = Object.values(sides).filter((side) => side.isOpen);
  for (const side of find(".linked").checked ? open.slice(0, 1) : open) action(side);
};

// --- Decisions ----------------------------------------------------------------------------------------------------------
// A label, and what else ends with the card, is decided and the next card shown at once.
function decideAndMove(act) {
  const card = current;
  decide({ ...act, key: card.key, last_event: card.last_event, blind: card.blind, note: "" });
  say("Saving ...");
  showSaving();
  cards.delete(card.id);
  go(at + 1, 1);
}

function label(grade) {
  if (!current) return;
  const isHalf = find(".half").checked && grade <= 8, value = isHalf ? grade + 0.5 : grade;
  const qualifier = find("#qualifier").value;
  if (qualifier && (value > 9 || !Number.isInteger(value))) {
    say("Not saved: PSA gives no " + value + " with the qualifier " + qualifier + ". Use a whole grade from 1 to 9.", true);
    return;
  }
  decideAndMove({ kind: "label", grade: value, qualifier });
}

async function stay(act) {
  if (!current && act.kind !== "undo" && act.kind !== "redo") return;
  isShown = false;
  const card = current;
  const answer = await decide({ key: card?.key ?? "", last_event: card?.last_event ?? 0, note: "", ...act });
  const id = answer.card ?? card?.id;
  if (id === undefined) { isShown = true; carryOut(); } else await showById(id);
}

const takeBack = (kind) => stay({ kind });

async function showOpinion() {
  if (!current) return;
  const box = find(".opinion"), card = current;
  if (!box.hidden) { box.hidden = true; return; }
  const answer = await ask("model_opinion", { key: card.key });
  if (card !== current) return;
  box.replaceChildren();
  append("p", answer.problem ?? "The model expects " + answer.expected.toFixed(1) + ".", box);
  for (const [index, share] of (answer.probabilities ?? []).entries()) {
    append("span", index + 1, box);
    append("i", "", box).style.width = Math.round(share * 100) + "%";
    append("span", Math.round(share * 100) + " %", box);
  }
  box.hidden = false;
}

async function showAgreement() {
  const list = find(".agreement ul");
  list.replaceChildren();
  append("li", "Comparing ...", list);
  const answer = await ask("label_agreement", {});
  list.replaceChildren();
  for (const sentence of answer.sentences ?? [answer.problem]) append("li", sentence, list);
}
find(".agreement").addEventListener("toggle", ({ target }) => { if (target.open) showAgreement(); });

async function showCorners() {
  const panel = find(".corner-panel"), card = current;
  if (!panel.hidden || !card) { panel.hidden = true; return; }
  panel.hidden = false;
  find(".sheets").replaceChildren();
  find(".corner-status").textContent = "Looking for the corners ...";
  const answer = await ask("corner_close_ups", { key: card.key });
  if (card !== current) return;
  find(".corner-status").textContent = answer.problem ?? answer.problems.join(" ");
  for (const side of ["front", "back"]) if (answer[side]) append("img", "", find(".sheets"), { src: answer[side].url, alt: "Corners of the " + side });
}

// --- Keys ---------------------------------------------------------------------------------------------------------------
const VIEW = {
  whole: () => eachSide((side) => side.showWhole()),
  "zoom-in": () => eachSide((side) => side.zoomBy(1.6)),
  "zoom-out": () => eachSide((side) => side.zoomBy(1 / 1.6)),
  native: () => eachSide((side) => side.showNative()),
  linked: () => { find(".linked").checked = !find(".linked").checked; },
  corners: showCorners,
  model: showOpinion,
  half: () => { find(".half").checked = !find(".half").checked; },
  help: () => { const isOpen = !find(".help").hidden; closePanels(); find(".help").hidden = isOpen; },
  filters: () => { find(".filters").hidden = !find(".filters").hidden; if (!find(".filters").hidden) find(".filters [name=text]").focus(); },
  jump: () => find("#queue-place").select(),
  close: () => closePanels(),
  qualifier: () => openMenu("Qualifier of the grade that you press next", QUALIFIER_ITEMS),
  "no-grade": () => openMenu("Instead of a grade", NO_GRADE_ITEMS),
};
// These wait for the card.
const DECISIONS = {
  previous: () => (at > 0 ? go(at - 1, -1) : undefined),
  next: () => go(at + 1, 1),
  first: () => go(0, 1),
  undo: () => takeBack("undo"),
  redo: () => takeBack("redo"),
  unsure: () => current && decideAndMove({ kind: "unsure" }),
  "not-gradable": () => current && decideAndMove({ kind: "label", qualifier: "N9" }),
  remove: () => stay({ kind: "remove" }),
  swap: () => stay({ kind: "swap", front: current?.front_sha256 ?? "" }),
  note: () => { find(".note").hidden = false; find(".note input").focus(); },
};
const KEYS = [
  ["1 ... 9, 0", "grade 1 to 9, 10; with Shift the half grade above", null],
  ["KeyH", "the next grade is a half grade", "half"],
  ["KeyQ", "qualifier", "qualifier"],
  ["KeyA", "authentic, altered, N-codes", "no-grade"],
  ["KeyX", "not gradable", "not-gradable"],
  ["KeyS", "unsure: comes back later", "unsure"],
  ["KeyN", "note", "note"],
  ["KeyW", "swap front and back", "swap"],
  ["Delete", "remove the label", "remove"],
  ["Backspace", "", "remove"],
  ["ArrowRight", "next card", "next"],
  ["ArrowLeft", "previous card", "previous"],
  ["Home", "first card", "first"],
  ["KeyG", "go to a place in the queue", "jump"],
  ["Slash", "filters", "filters"],
  ["KeyU", "undo (also Ctrl+Z)", "undo"],
  ["KeyC", "corners close up", "corners"],
  ["KeyP", "what the model thinks", "model"],
  ["Equal", "zoom in", "zoom-in"],
  ["NumpadAdd", "", "zoom-in"],
  ["Minus", "zoom out", "zoom-out"],
  ["NumpadSubtract", "", "zoom-out"],
  ["KeyZ", "a pixel of the picture is a pixel of the screen", "native"],
  ["KeyF", "whole card", "whole"],
  ["KeyL", "move both sides together, or each alone", "linked"],
  ["Escape", "", "close"],
];
const COMMANDS = Object.fromEntries(KEYS.map(([code, , command]) => [code, command]));
const NAMES = { Delete: "Del", ArrowRight: "→", ArrowLeft: "←", Equal: "+", Minus: "-", Slash: "/" };

let held = [];
// A view changes at once; a decision is for the card that is shown in full, now or next.
function press(command) {
  if (VIEW[command]) { VIEW[command](); return; }
  held.push(command);
  carryOut();
}

function carryOut() {
  while (isShown && held.length) {
    const command = held.shift();
    if (typeof command === "string") DECISIONS[command]();
    else command();
  }
  desk.dataset.held = held.length;
}

const gradeOf = (code) => {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(code)?.[1];
  return digit === undefined ? null : Number(digit) || 10;
};

function pressGrade(grade, isHalf) {
  held.push(() => { if (isHalf && grade <= 8) find(".half").checked = true; label(grade); });
  carryOut();
}

function onKey(event) {
  if (!element.isConnected) { document.removeEventListener("keydown", onKey); return; }
  if (desk.offsetParent === null || event.repeat || event.altKey) return;
  const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable=true]");
  if (typing) return;
  const isControl = event.ctrlKey || event.metaKey;
  if (isControl) {
    // By its letter, as in other programs; by its place on layouts without Latin letters.
    const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace("Key", "").toLowerCase();
    const command = letter === "z" ? (event.shiftKey ? "redo" : "undo") : letter === "y" ? "redo" : null;
    if (command) { event.preventDefault(); press(command); }
    return;
  }
  if (event.key === "?") { event.preventDefault(); press("help"); return; }
  if (menuItems && chooseByKey(event.code)) { event.preventDefault(); return; }
  const grade = gradeOf(event.code), command = COMMANDS[event.code];
  if (grade === null && !command) return;
  event.preventDefault();
  if (grade !== null) pressGrade(grade, event.shiftKey);
  else press(command);
}
document.addEventListener("keydown", onKey);

// --- Menus and forms ------------------------------------------------------------------------------------------------------
const chooseQualifier = (code) => () => { find("#qualifier").value = code; };
const QUALIFIER_ITEMS = [["Digit0", "none", chooseQualifier("")], ...(given.qualifiers ?? []).map(([code, meaning], index) => ["Digit" + (index + 1), code + ": " + meaning, chooseQualifier(code)])];
const NO_GRADE_ITEMS = (given.no_grades ?? []).map(([code, meaning]) => [
  { AUTHENTIC: "KeyA", ALTERED: "KeyL" }[code] ?? "Digit" + code.slice(1),
  code + ": " + meaning,
  () => { held.push(() => current && decideAndMove({ kind: "label", qualifier: code })); carryOut(); },
]);
let menuItems = null;
function openMenu(title, items) {
  closePanels();
  menuItems = items;
  find(".menu h3").textContent = title;
  find(".menu ul").replaceChildren();
  for (const [code, text, action] of items) {
    const button = append("button", " " + text, append("li", "", find(".menu ul")), { type: "button" });
    button.prepend(Object.assign(document.createElement("kbd"), { textContent: keyName(code) }));
    button.addEventListener("click", () => { closePanels(); action(); });
  }
  find(".menu").hidden = false;
}
function chooseByKey(code) {
  const item = menuItems.find(([key]) => key === code || key === code.replace("Numpad", "Digit"));
  if (!item) return false;
  closePanels();
  item[2]();
  return true;
}
function closePanels() {
  menuItems = null;
  for (const part of [".menu", ".help", ".corner-panel", ".note"]) find(part).hidden = true;
  find(".note input").value = "";
}

let layout = null; // letters of the user's keyboard by place, where the browser tells them
const keyName = (code) => NAMES[code] ?? (layout?.get(code) ?? code.replace(/^Key|^Digit/, "")).toUpperCase();
function fillHelp() {
  const list = find(".help dl");
  list.replaceChildren();
  for (const [code, meaning] of KEYS.filter(([, text]) => text)) {
    append("kbd", code.startsWith("1") ? code : keyName(code), append("dt", "", list));
    append("dd", meaning, list);
  }
}
fillHelp();
navigator.keyboard?.getLayoutMap?.().then((map) => { layout = map; fillHelp(); }, () => {}); // not in every browser

for (let grade = 10; grade >= 1; grade -= 1) {
  const button = Object.assign(document.createElement("button"), { type: "button", id: "grade-" + grade, textContent: grade });
  button.dataset.grade = grade;
  find("#previous-card").after(button);
  button.addEventListener("click", () => pressGrade(grade, false));
}
for (const [code, text] of [["", "none"], ...(given.qualifiers ?? []).map(([name, meaning]) => [name, name + ": " + meaning])]) append("option", text, find("#qualifier"), { value: code });
for (const button of element.querySelectorAll("[data-command]")) button.addEventListener("click", () => press(button.dataset.command));
// A list that keeps the focus would take the next digit for a choice in it.
find("#qualifier").addEventListener("change", (event) => event.target.blur());

find(".note").addEventListener("submit", (event) => {
  event.preventDefault();
  const note = find(".note input").value;
  closePanels();
  if (note.trim()) stay({ kind: "note", note });
});
find(".note input").addEventListener("keydown", (event) => { if (event.key === "Escape") closePanels(); });
find("#queue-place").addEventListener("keydown", (event) => {
  if (event.key === "Escape") event.target.blur();
  if (event.key !== "Enter") return;
  event.preventDefault();
  event.target.blur();
  const place = Math.min(Math.max(Math.round(Number(event.target.value)) || 1, 1), ids.length);
  if (ids.length) go(place - 1, 1, true);
});

const form = find(".filters");
function fillChoices({ choices, name }) {
  const grades = Array.from({ length: 18 }, (_, index) => 1 + index / 2).filter((grade) => grade !== 9.5);
  const lists = { grade: [...grades, 10].map(String), game: choices.game, author: choices.author };
  for (const [field, options] of Object.entries(lists)) {
    const list = form.elements[field], chosen = filters[field] ?? "";
    list.replaceChildren();
    append("option", "any", list, { value: "" });
    for (const option of new Set([...options, chosen].filter(Boolean))) append("option", option, list, { value: option });
    list.value = chosen;
  }
  for (const [field, value] of Object.entries(filters)) if (form.elements[field]) form.elements[field].value = value;
  form.hidden = form.hidden && !Object.values(filters).some(Boolean);
  find(".who-name").placeholder = name ?? "";
}
function applyFilters() {
  filters = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  openQueue();
}
form.addEventListener("change", applyFilters);
form.addEventListener("reset", () => setTimeout(applyFilters));
form.addEventListener("submit", (event) => { event.preventDefault(); applyFilters(); document.activeElement?.blur(); });
form.addEventListener("keydown", (event) => { if (event.key === "Escape") event.target.blur(); });

find(".who").hidden = Boolean(labeler || given.has_login);
find(".who").addEventListener("submit", (event) => {
  event.preventDefault();
  labeler = find(".who-name").value.trim() || find(".who-name").placeholder;
  write(localStorage, "loupe-labeler", labeler);
  find(".who").hidden = true;
  openQueue();
});

// --- Layout -----------------------------------------------------------------------------------------------------------------
// Both sides fill the screen between the bar above them and the dock. When the tab is opened they are brought there.
let isVisible = false;
function fit() {
  const dock_px = find(".dock").offsetHeight, above_px = find(".stage").getBoundingClientRect().top - find(".top").getBoundingClientRect().top + 8;
  const whole_px = (find(".sides").clientWidth / 2) * MAX_HEIGHT_TO_WIDTH;
  desk.style.setProperty("--dock", dock_px + "px");
  desk.style.setProperty("--stage", Math.max(MIN_STAGE_PX, Math.min(window.innerHeight - dock_px - above_px, whole_px)) + "px");
  const wasVisible = isVisible;
  isVisible = desk.offsetWidth > 0;
  const isCovered = find(".sides").getBoundingClientRect().bottom > window.innerHeight - dock_px;
  if (isVisible && !wasVisible && isCovered) find(".top").scrollIntoView({ block: "start" });
}
for (const part of [desk, find(".dock"), find(".top"), form]) new ResizeObserver(fit).observe(part);
window.addEventListener("resize", fit);

// The cards that were chosen in the Dataset tab, all of them, whatever was filtered here before.
window.addEventListener("loupe-chosen", () => {
  filters = {};
  for (const field of form.elements) if (field.name) field.value = "";
  if (entry === given.chosen_entry) openQueue(undefined, 0);
});

// --- Start ----------------------------------------------------------------------------------------------------------------
let opened = null;
function update() {
  const { entry: chosen, version } = props.value ?? {};
  const asked = JSON.stringify([chosen, version]);
  if (!chosen || asked === opened) return;
  const isFirst = opened === null;
  opened = asked;
  if (isFirst) { adoptOrphans(); openQueue(saved.entry === chosen ? saved.id : undefined, saved.entry === chosen ? saved.at : 0); return; }
  const isSame = chosen === entry;
  entry = chosen;
  openQueue(isSame ? ids[at] : undefined, isSame ? at : 0);
}
watch("value", update);
update();
