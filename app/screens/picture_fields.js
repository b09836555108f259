// The picture fields of the Grade tab take one thing after the other: a picture chosen, dropped, pasted or taken by the
// camera, a press of Clear, Swap or the sample card. The server's answer to each writes fields (sorted sides, a swap, a
// refused file), and would write over a picture that arrived meanwhile; see picture_fields.py.
if (!window.loupe.pictures) { // once, however often Gradio draws the component
  const FIELDS = "#both-in, #front-in, #back-in", SIDES = ["front", "back"], CLEAR = 'button[aria-label="Clear"]';
  const BUTTONS = `#swap-sides, #try-sample, #remove-back, #grade-start, :is(#front-in, #back-in) ${CLEAR}`;
  const POLL_MS = 20, PATIENCE_MS = 15000;
  const BOTH_FULL = "Both sides have a picture. Remove one with its ×, then paste again.";
  const LOST = "Loupe did not answer. Check the pictures, and put in again what is missing.";
  let begun = 0, ended = 0, changed = 0, waiting = 0, isReplay = false, last = Promise.resolve();

  const field = (name) => document.getElementById(name + "-in");
  const input = (box) => box.querySelector("input[type=file]");
  const isFull = (box) => box.querySelector(".file-preview") !== null;
  // A field that uploads has neither an input nor a file.
  const isFree = () => begun === ended && [...document.querySelectorAll(FIELDS)].every((box) => input(box) || isFull(box));
  const isShown = () => field("front")?.checkVisibility() ?? false;

  async function until(holds) {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  function say(text) {
    const note = document.getElementById("picture-note");
    if (note && note.textContent !== text) note.textContent = text;
  }
  // An answer that has not come by then is lost, with a server that was restarted or a phone that slept.
  function free() {
    return until(() => {
      if (begun > ended && Date.now() - changed > window.loupe.pictures.lostAfterMs) {
        ended = begun;
        say(LOST);
      }
      return isFree();
    });
  }
  // Do something after all that was begun before; returns its promise.
  function enqueue(act) {
    waiting += 1;
    const done = last.then(free).then(act).finally(() => { waiting -= 1; });
    last = done.catch(() => {});
    return done;
  }
  function replay(act) {
    isReplay = true;
    try { act(); } finally { isReplay = false; }
  }
  async function pressNow(find) {
    const button = find(), before = begun;
    if (!button) return; // what it would have cleared is gone
    replay(() => button.click());
    if (!button.matches("#grade-start, #both-in *")) await until(() => begun > before);
    await free();
  }
  // Fill a field, in place of the picture there; returns whether the server has the picture.
  async function putNow(name, files) {
    const box = field(name), transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    if (isFull(box)) await pressNow(() => box.querySelector(CLEAR));
    await until(() => input(box) && !isFull(box));
    const before = begun, end = Date.now() + PATIENCE_MS;
    let isUploading = false;
    input(box).files = transfer.files;
    replay(() => input(box).dispatchEvent(new Event("change", { bubbles: true })));
    const hasFailed = () => {
      isUploading ||= !input(box);
      return input(box) && !isFull(box) && (isUploading || Date.now() > end);
    };
    await until(() => begun > before || hasFailed());
    if (begun === before) {
      say(`${files[0].name} did not reach Loupe. Try again.`);
      return false;
    }
    await free();
    return true;
  }
  // Two pictures are sorted. One goes to its side; to the first empty one if it has none, or if that was empty when the
  // picture was chosen and no longer is once its turn comes.
  function put(name, files) {
    const wasEmpty = SIDES.includes(name) && !isFull(field(name));
    say("");
    return enqueue(() => {
      const empty = SIDES.find((side) => !isFull(field(side)));
      const side = wasEmpty && isFull(field(name)) ? empty ?? name : name ?? empty;
      const target = files.length > 1 ? "both" : side;
      if (target) return putNow(target, files);
      say(BOTH_FULL);
      return false;
    });
  }
  function take(event, name, files) {
    event.preventDefault();
    event.stopImmediatePropagation();
    put(name, [...files]);
  }
  const nameOf = (element) => element.closest?.(FIELDS)?.id.replace("-in", "");

  document.addEventListener("change", (event) => {
    const name = event.target.matches?.("input[type=file]") && nameOf(event.target);
    if (!name || isReplay || !event.target.files.length) return;
    take(event, name, event.target.files);
    event.target.value = ""; // the same file may be chosen again
  }, { capture: true });
  // Gradio's field takes no picture from the clipboard.
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length && isShown()) take(event, undefined, event.clipboardData.files);
  });
  // Dropped beside a field, a picture would take the place of the page.
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    if (!isShown()) { event.preventDefault(); return; } // a field of another tab has its own listener
    event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true })); // ends its highlight
    take(event, nameOf(event.target), event.dataTransfer.files);
  }, { capture: true });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(BUTTONS);
    if (!button || isReplay) return;
    const isGrade = button.matches("#grade-start"), box = button.closest(FIELDS);
    if (isGrade) {
      // A second press while the same pictures are graded would grade them twice.
      if (document.querySelector('#verdict[aria-busy="true"]')) { event.stopImmediatePropagation(); return; }
      window.loupe.press();
      if (!waiting && isFree()) return;
      document.getElementById("verdict").dataset.waits = "";
    } else if (box && !isFull(box)) return; // Clear of an error
    event.stopImmediatePropagation();
    const again = box ? () => isFull(box) && box.querySelector(CLEAR) : () => button;
    enqueue(() => {
      if (isGrade) {
        delete document.getElementById("verdict").dataset.waits;
        window.loupe.press();
      }
      return pressNow(again);
    });
  }, { capture: true });

  window.loupe.pictures = {
    put,
    isFull: (name) => isFull(field(name)),
    lostAfterMs: 60000,
    begin: () => { begun += 1; changed = Date.now(); },
    end: () => setTimeout(() => { ended = Math.min(ended + 1, begun); changed = Date.now(); }), // Gradio has drawn by then
  };
}
