// Views of the Dataset page above its gallery; runs before dataset_tab.js and in one scope with it.
const TILES_PER_SET = 8, SETS_PER_PAGE = 10;
const SHARE_OF_SHADE = 0.75;

// Title, the sentence that says what it means, and the function that fills the panel.
const VIEWS = {
  rare: ["Rare grades", "A model learns little of a grade with few labels. Rare is a grade with less than half the labels of the most frequent one.", showRare],
  extremes: ["Picture extremes", "The pictures at the ends of what was measured on import. Press one to open its card in the Label tab.", showExtremes],
  together: ["Cards kept together", "Cards that look the same, share a picture or belong to one group are always in one split. Otherwise a model would be tested on cards that it has learned from.", showTogether],
  slabs: ["Slabs", "The label of a slab shows the grade. Models learn from the card alone, without the label; where the outline of the card is wrong, the label may be in the picture.", showSlabs],
  mistakes: ["Model mistakes", "A row for each label, a column for each grade that the model gives. Press a number to see these cards below.", showMistakes],
};
let view = "", rare = [], wornCopies = 0;

function drawViews() {
  const bar = find(".views");
  if (bar.children.length) return;
  for (const [name, [title]] of Object.entries(VIEWS)) {
    const button = append("button", title, bar, { type: "button" });
    button.dataset.view = name;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => openView(view === name ? "" : name));
  }
}

async function openView(name, ...details) {
  view = name;
  for (const button of find(".views").children) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  find(".panel").hidden = !name;
  if (!name) return;
  const [title, meaning, fill] = VIEWS[name];
  find(".panel h3").textContent = title;
  find(".meaning").textContent = meaning;
  find(".panel-content").replaceChildren();
  find(".panel-status").textContent = "Looking ...";
  await fill(find(".panel-content"), ...details);
}

// An answer for the view that is still open; null for one that came too late, or with a problem, which is shown.
async function askForView(name, value) {
  const of = view, answer = await ask(name, value);
  if (of !== view) return null;
  find(".panel-status").textContent = answer.problem ?? "";
  return answer.problem ? null : answer;
}

const button = (text, parent, action, properties = {}) => {
  const made = append("button", text, parent, { type: "button", ...properties });
  made.addEventListener("click", action);
  return made;
};

function showRare(content) {
  find(".panel-status").textContent = rare.length ? "" : "No grade is rare.";
  const list = append("ul", "", content, { className: "rare" });
  for (const { grade, count: number } of rare) {
    const line = append("li", "", list);
    append("span", "Grade " + grade + ": " + counted(number), line);
    button("Label these", line, () => labelRare(grade), { title: "Open the cards that may have grade " + grade + " and that no one has labelled here, in the Label tab" });
  }
  if (!rare.some(({ grade }) => grade < 9) || !wornCopies) return;
  append("p", "Worn copies of your 9s and 10s can stand in for grades 1 to 8 while a run trains. They are in the training split only.", content);
  button("Make worn companions ...", content, makeCompanions, { title: "Open the Train tab with " + wornCopies + " cards per grade" });
}

// A run makes them: the Train tab opens at the setting, once its form is drawn.
async function makeCompanions() {
  trigger("edit");
  for (let tries = 0; tries < 50; tries += 1) {
    await pause(100);
    const setting = document.querySelector("#set-synthetic_wear_per_grade");
    if (!setting?.offsetParent) continue;
    setting.scrollIntoView({ block: "center" });
    setting.querySelector("input")?.focus({ preventScroll: true });
    return;
  }
}

async function labelRare(grade) {
  find(".panel-status").textContent = "Looking for cards that may have grade " + grade + " ...";
  const answer = await askForView("rare_grade_cards", { grade });
  if (!answer) return;
  if (answer.ids.length) takeIntoQueue(answer.ids);
  else find(".panel-status").textContent = "No card that no one has labelled yet seems to have grade " + grade + ". Import more cards, or make worn companions.";
}

async function showExtremes(content) {
  for (const extreme of given.extremes ?? []) {
    const answer = await askForView("picture_extremes", { extreme });
    if (!answer) return;
    if (!answer.pictures.length) continue;
    append("h4", answer.title, content);
    const strip = append("div", "", content, { className: "strip" });
    for (const picture of answer.pictures) {
      const open = button("", strip, () => takeIntoQueue([picture.card_id]), { title: picture.problem || "Open this card in the Label tab" });
      if (picture.url) append("img", "", open, { src: picture.url, alt: picture.side === "front" ? "Front" : "Back" });
      append("span", picture.url ? picture.text : "The picture is missing", open);
    }
    button("Show these cards below", content, () => showList(answer.title + ": " + counted(new Set(answer.pictures.map(({ card_id }) => card_id)).size), [...new Set(answer.pictures.map(({ card_id }) => card_id))]));
  }
  find(".panel-status").textContent = content.children.length ? "" : "No picture was measured.";
}

async function showTogether(content, start = 0) {
  find(".panel-status").textContent = "Comparing the pictures of all cards ...";
  const answer = await askForView("kept_together");
  if (!answer) return;
  const cards = answer.sets.reduce((sum, { ids: members }) => sum + members.length, 0);
  find(".panel-status").textContent = answer.sets.length ? answer.sets.length.toLocaleString() + (answer.sets.length === 1 ? " set of " : " sets of ") + counted(cards) : "No two cards belong together.";
  for (const sentence of answer.conflicts) append("p", "A training run would be refused: " + sentence, content, { className: "conflict" });
  await drawSets(content, answer.sets, start);
}

async function drawSets(content, sets, start) {
  const of = view, shown = sets.slice(start, start + SETS_PER_PAGE);
  for (const { ids: members, split, reasons } of shown) {
    const box = append("section", "", content, { className: "set" });
    append("p", counted(members.length) + " in the split " + SPLITS[split] + ": they " + reasons.join("; they ").replace("; they ...", " ...") + ".", box);
    const list = append("ul", "", box, { className: "cards" });
    const answer = await ask("gallery_cards", { ids: members.slice(0, TILES_PER_SET) });
    if (of !== view) return;
    for (const card of answer.cards ?? []) {
      const tile = append("li", "", list, { className: "tile" });
      drawSides(card, tile);
      append("span", card.label, tile, { className: "grade" });
      append("span", card.name, tile, { className: "name", title: card.name });
    }
    button(members.length > TILES_PER_SET ? "Show all " + members.length + " below" : "Show these below", box, () => showList(counted(members.length) + " kept together", members));
  }
  const left = sets.length - start - shown.length;
  if (left > 0) {
    const more = button("Show more sets (" + left.toLocaleString() + ")", content, () => { more.remove(); drawSets(content, sets, start + SETS_PER_PAGE); });
  }
}

async function showSlabs(content) {
  const answer = await askForView("slab_cards");
  if (!answer) return;
  const known = answer.known ? counted(answer.known) + " of your collection were graded here: " + counted(answer.ids.length) + " in a slab." : "No card of the collection was graded here yet.";
  find(".panel-status").textContent = known + " Whether other cards are in a slab is not recorded.";
  if (answer.ids.length) button("Show them below", content, () => showList("In a slab: " + counted(answer.ids.length), answer.ids));
}

// --- Model mistakes -----------------------------------------------------------------------------------------------------
async function showMistakes(content, model, label, predicted) {
  const answer = await askForView("confusion_models");
  if (!answer) return;
  if (!answer.models.length) {
    find(".panel-status").textContent = "No model has graded these cards yet. Train one in the Train tab, or open “Suspect labels first” in the Label tab.";
    return;
  }
  const line = append("label", "Model ", content), select = append("select", "", line, { className: "model" });
  for (const { value, text } of answer.models) append("option", text, select, { value });
  const table = append("div", "", content, { className: "matrix" });
  const isKnown = answer.models.some(({ value }) => value === model);
  select.value = isKnown ? model : answer.models[0].value;
  select.addEventListener("change", () => drawMatrix(table, select.value));
  await drawMatrix(table, select.value);
  if (model && !isKnown) find(".panel-status").textContent = "The answers of this model are not here any more; another one is shown.";
  else if (label && predicted) await showCell(select.value, label, predicted);
}

async function drawMatrix(box, model) {
  box.replaceChildren();
  const answer = await askForView("confusion_table", { model });
  if (!answer) return;
  append("p", answer.meaning, box);
  const table = append("table", "", append("div", "", box, { className: "scrolled" }));
  const head = append("tr", "", append("thead", "", table)), body = append("tbody", "", table);
  append("th", "label", head, { scope: "col" });
  for (let grade = 1; grade <= 10; grade += 1) append("th", grade, head, { scope: "col", title: "The model gives grade " + grade });
  answer.confusion.forEach((row, index) => {
    const line = append("tr", "", body), total = row.reduce((sum, number) => sum + number, 0);
    append("th", index + 1, line, { scope: "row" });
    row.forEach((number, column) => {
      const cell = append("td", "", line);
      if (!number) return;
      const made = button(number.toLocaleString(), cell, () => showCell(model, index + 1, column + 1));
      made.setAttribute("aria-label", counted(number) + " with the label " + (index + 1) + " that the model gives grade " + (column + 1));
      if (index === column) cell.className = "right";
      cell.style.setProperty("--share", SHARE_OF_SHADE * (number / total));
    });
  });
}

async function showCell(model, label, predicted) {
  const answer = await askForView("confusion_cards", { model, truth: label, predicted });
  if (!answer) return;
  const gone = answer.gone ? "; " + counted(answer.gone) + " of this cell are not here any more" : "";
  await showList("Label " + label + ", the model gives grade " + predicted + ": " + counted(answer.ids.length) + gone, answer.ids);
}

// A number in the Train tab is a link to its cards: #dataset:run-3:8:6, the model, the label and the model's grade.
async function followAddress() {
  const [tab, model, label, predicted] = location.hash.slice(1).split(":");
  if (tab !== "dataset" || !model || !element.isConnected) return;
  history.replaceState(null, "", "#dataset");
  await openView("mistakes", model, Number(label) || 0, Number(predicted) || 0);
  if (!label) find(".views").scrollIntoView({ block: "start", behavior: "smooth" });
}
