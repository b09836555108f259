// Drop zone of the import, see import_drop.py. Gradio's own upload knows no folders: the files are sent to its route with
// numbers for names, some at a time, and then moved to their places.
// Provided by Gradio: element, props (value: the limits), trigger, server.
const find = (selector) => element.querySelector(selector);
const { max_picture_bytes: maxPicture, max_upload_bytes: maxUpload } = props.value;
const FILES_AT_ONCE = 100, BYTES_AT_ONCE = 24e6, SYSTEM = /^(\.|__MACOSX$|@eaDir$|Thumbs\.db$|desktop\.ini$)/i;
const zone = find(".zone");
let isSending = false, request = null, isCancelled = false;

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
function show(text, done, total) {
  find(".status").textContent = text;
  if (total) Object.assign(find("progress"), { value: done, max: total });
  else find("progress").removeAttribute("value");
}
const say = (text) => { find(".problem").textContent = text; };

// Files with their paths, from what was dropped: folders are read to their end.
async function filesOf(entries) {
  const files = [], waiting = [...entries];
  while (waiting.length && !isCancelled) {
    const entry = waiting.pop();
    if (SYSTEM.test(entry.name)) continue;
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      files.push({ file, name: entry.fullPath.replace(/^\//, "") });
      if (files.length % 500 === 0) show(`Reading the folder: ${files.length} files`);
    } else {
      const reader = entry.createReader();
      let part;
      do { // a hundred entries at a time
        part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        waiting.push(...part);
      } while (part.length);
    }
  }
  return files;
}

function post(files, sent) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    files.forEach(({ file, name }, index) => form.append("files", file, index + (/\.[A-Za-z0-9]{1,5}$/.exec(name)?.[0] ?? "")));
    request = new XMLHttpRequest();
    request.open("POST", "gradio_api/upload");
    request.upload.onprogress = ({ loaded }) => sent(loaded);
    request.onload = () => (request.status === 200 ? resolve(JSON.parse(request.responseText)) : reject(new Error(request.responseText.slice(0, 300))));
    request.onerror = () => reject(new Error("Loupe does not answer. Try again."));
    request.onabort = () => reject(new Error(""));
    request.send(form);
  });
}

function batchesOf(files) {
  const batches = [[]];
  let bytes = 0;
  for (const file of files) {
    if (batches.at(-1).length && (batches.at(-1).length === FILES_AT_ONCE || bytes + file.file.size > BYTES_AT_ONCE)) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1).push(file);
    bytes += file.file.size;
  }
  return batches;
}

async function staged(name, files, paths) {
  const answer = await server.stage_files({ name, files: files.map((file, index) => ({ path: paths[index], name: file.name })) });
  if (!answer?.name) throw new Error(answer?.problem ?? "Loupe does not answer. Try again.");
  return answer.name;
}

async function send(collect) {
  if (isSending) return;
  isSending = true;
  isCancelled = false;
  say("");
  find(".choose").hidden = true;
  find(".sending").hidden = false;
  show("Reading the folder ...");
  let name = "";
  try {
    const all = await collect();
    const limit = ({ name }) => (/\.zip$/i.test(name) ? maxUpload : maxPicture);
    const files = all.filter((item) => item.file.size <= limit(item));
    const left_out = all.filter((item) => item.file.size > limit(item)).map((item) => ({
      path: item.name, reason: `has ${megabytes(item.file.size)}, more than ${megabytes(limit(item))}; save it smaller`,
    }));
    if (isCancelled) return;
    if (!files.length) throw new Error(left_out.length ? `${left_out[0].path}: ${left_out[0].reason}.` : "There are no files in it.");
    const total = files.reduce((sum, { file }) => sum + file.size, 0);
    let done = 0, bytes = 0, staging = Promise.resolve("");
    for (const batch of batchesOf(files)) {
      const paths = await post(batch, (loaded) => show(`Uploading ${done} of ${files.length} files, ${megabytes(Math.min(bytes + loaded, total))} of ${megabytes(total)}`, bytes + loaded, total));
      name = await staging; // of the batch before: its files are moved while these are sent
      staging = name ? staged(name, batch, paths) : Promise.resolve(await staged(name, batch, paths));
      staging.catch(() => {}); // seen when it is awaited
      done += batch.length;
      bytes += batch.reduce((sum, { file }) => sum + file.size, 0);
      if (isCancelled) break;
    }
    name = await staging;
    if (isCancelled) return;
    const tops = new Set(files.map((item) => item.name.split("/")[0]));
    const title = tops.size === 1 ? [...tops][0] : `${files.length} files`;
    props.value = { ...props.value, name, title, left_out: left_out.slice(0, 10000) };
    name = "";
    trigger("submit");
  } catch (error) {
    if (!isCancelled) say(error.message || "The folder cannot be read. Try again.");
  } finally {
    if (name) server.discard_upload({ name });
    isSending = false;
    find(".choose").hidden = false;
    find(".sending").hidden = true;
  }
}

const chosen = (input) => [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }))
  .filter(({ name }) => !name.split("/").some((part) => SYSTEM.test(part)));
for (const kind of ["folder", "files"]) {
  const input = find(`.${kind}-input`);
  find(`button.${kind}`).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = chosen(input);
    input.value = ""; // the same folder may be chosen again
    send(async () => files);
  });
}
find(".folder-input").setAttribute("webkitdirectory", "");
// Phones have no folders to choose.
find("button.folder").hidden = !("webkitdirectory" in find(".folder-input"));
find(".cancel").addEventListener("click", () => { isCancelled = true; request?.abort(); });
zone.addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  zone.classList.add("over");
});
zone.addEventListener("dragleave", (event) => { if (!zone.contains(event.relatedTarget)) zone.classList.remove("over"); });
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length) send(() => filesOf(entries));
});
