// Camera: the live picture, a frame of a card's shape, advice on the part of the picture within the frame, and the shot.
// Provided by Gradio: element, props (value: see camera.py).
const FRAME_HEIGHT = 0.86, FRAME_WIDTH = 0.92; // of the picture, whichever is reached first
const ADVICE_MS = 250, SAMPLE_PX = 384, REBLUR_PX = 9, STAIRCASE_LEVELS = 2, NOISE_FLOOR_LEVELS = 0.05; // as in quality.py
const JPEG_QUALITY = 0.95;
const GOOD = "Good. Fill the frame with the card and hold still.";
const PROBLEMS = {
  NotAllowedError: "The camera is not allowed here. Allow it for this page in the browser's settings, then try again.",
  NotFoundError: "No camera found. Connect one, or upload pictures.",
  NotReadableError: "Another program uses the camera. Close it, then try again.",
};
const find = (selector) => element.querySelector(selector);
const video = find("video"), canvas = document.createElement("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });
let stream = null, timer = null, side = "front", tilt_deg = null, isTaking = false;

find(".camera").hidden = !navigator.mediaDevices?.getUserMedia;

async function open() {
  find(".problem").textContent = "";
  // Asked for by the press itself: iOS tells a page the level of the phone only then.
  const asked = window.DeviceOrientationEvent?.requestPermission?.();
  const size = { width: { ideal: 3840 }, height: { ideal: 2160 } };
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: "environment" }, ...size } });
  } catch (error) {
    find(".problem").textContent = PROBLEMS[error.name] ?? "The camera cannot be used: " + error.message;
    return;
  }
  await asked;
  video.srcObject = stream;
  window.addEventListener("deviceorientation", noteTilt);
  choose(window.loupe.pictures.isFull("front") ? "back" : "front");
  find(".open").hidden = true;
  find(".finder").hidden = false;
  timer = setInterval(advise, ADVICE_MS);
}

function close() {
  clearInterval(timer);
  window.removeEventListener("deviceorientation", noteTilt);
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = video.srcObject = null;
  find(".take").disabled = true;
  find(".open").hidden = false;
  find(".finder").hidden = true;
}

function choose(name) {
  side = name;
  find(".take").textContent = "Take the " + name;
  find(".other").textContent = "Take the " + (name === "front" ? "back" : "front") + " instead";
}

// The part of the picture within the frame, in the camera's own pixels.
function frameBox() {
  const [width, height] = [video.videoWidth, video.videoHeight];
  const frameHeight = Math.min(FRAME_HEIGHT * height, (FRAME_WIDTH * width) / props.value.aspect);
  const frameWidth = frameHeight * props.value.aspect;
  return { x: (width - frameWidth) / 2, y: (height - frameHeight) / 2, width: frameWidth, height: frameHeight };
}

function advise() {
  if (!element.isConnected || !video.checkVisibility()) { close(); return; } // another tab of the page
  if (!video.videoWidth) return;
  const box = frameBox();
  Object.assign(find(".frame").style, { width: (100 * box.width) / video.videoWidth + "%", height: (100 * box.height) / video.videoHeight + "%" });
  const advice = problem(box);
  find(".advice").textContent = advice ?? GOOD;
  find(".frame").classList.toggle("good", advice === null);
  find(".take").disabled = isTaking;
}

// The worst that the picture shows, in the order in which it can be mended; null if all is well.
function problem(box) {
  const limits = props.value;
  const small = pixels(box, SAMPLE_PX * limits.aspect, SAMPLE_PX), gray = small.gray.slice().sort();
  if (gray[Math.floor(0.95 * gray.length)] / 255 < limits.darkness) return "Too dark: use more light.";
  if (small.white / gray.length > limits.glare) return "Glare: move the light or turn the card.";
  if (tilt_deg !== null && tilt_deg > limits.tilt_deg) return "Hold the camera level above the card: it is tilted by " + Math.round(tilt_deg) + "°.";
  // A part of the middle in the camera's own pixels: made smaller, a blurred picture looks sharp.
  const side_px = Math.min(SAMPLE_PX, box.width, box.height);
  const middle = { x: box.x + (box.width - side_px) / 2, y: box.y + (box.height - side_px) / 2, width: side_px, height: side_px };
  const sharp = pixels(middle, side_px, side_px);
  if (sharpness(sharp.gray, sharp.width, sharp.height) < limits.sharpness) return "Blurred: hold still, tap the card to focus, or move back a little.";
  return null;
}

// Gray levels of a part of the picture, and the number of pixels that are white.
function pixels(box, width, height) {
  [canvas.width, canvas.height] = [Math.round(width), Math.round(height)];
  pen.drawImage(video, box.x, box.y, box.width, box.height, 0, 0, canvas.width, canvas.height);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const gray = new Uint8Array(data.length / 4);
  let white = 0;
  for (let index = 0; index < gray.length; index += 1) {
    const [red, green, blue] = [data[4 * index], data[4 * index + 1], data[4 * index + 2]];
    gray[index] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    if (Math.min(red, green, blue) >= props.value.glare_level) white += 1;
  }
  return { gray, white, width: canvas.width, height: canvas.height };
}

// Fraction of the gradient that an extra blur removes, the lower of the two directions: Crete et al., "The blur effect".
function sharpness(gray, width, height) {
  const along = (lines, length, at) => {
    let total = 0, removed = 0;
    const half = (REBLUR_PX - 1) / 2;
    for (let line = 0; line < lines; line += 1) {
      const clamped = (position) => gray[at(line, Math.min(Math.max(position, 0), length - 1))];
      let sum = 0;
      for (let position = -half; position <= half; position += 1) sum += clamped(position);
      for (let position = 0; position + 1 < length; position += 1) {
        const change = clamped(position + half + 1) - clamped(position - half);
        const gradient = Math.abs(clamped(position + 1) - clamped(position));
        const blurred = Math.abs(Math.round((sum + change) / REBLUR_PX) - Math.round(sum / REBLUR_PX));
        sum += change;
        if (gradient <= STAIRCASE_LEVELS) continue;
        total += gradient;
        removed += Math.max(0, gradient - blurred);
      }
    }
    return removed / (total + NOISE_FLOOR_LEVELS * gray.length);
  };
  return Math.min(
    along(height, width, (row, column) => row * width + column),
    along(width, height, (column, row) => row * width + column),
  );
}

// Angle between the camera's view and straight down; only phones and tablets know it.
function noteTilt({ beta, gamma }) {
  if (beta === null || gamma === null) return;
  const [x, y] = [beta, gamma].map((angle) => (angle * Math.PI) / 180);
  tilt_deg = (Math.acos(Math.min(1, Math.max(-1, Math.cos(x) * Math.cos(y)))) * 180) / Math.PI;
}

async function take() {
  isTaking = find(".take").disabled = true;
  find(".problem").textContent = "";
  // Not the canvas of the advice, which goes on meanwhile.
  const still = document.createElement("canvas");
  [still.width, still.height] = [video.videoWidth, video.videoHeight];
  still.getContext("2d").drawImage(video, 0, 0);
  const picture = await new Promise((resolve) => still.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  const file = picture && new File([picture], "camera-" + side + ".jpg", { type: "image/jpeg" });
  const isIn = picture !== null && (await window.loupe.pictures.put(side, [file]));
  isTaking = false;
  if (!isIn) find(".problem").textContent = "The picture did not reach the page. Take it again.";
  else if (side === "front" && !window.loupe.pictures.isFull("back")) choose("back");
  else close();
}

find(".open").addEventListener("click", open);
find(".close").addEventListener("click", close);
find(".take").addEventListener("click", take);
find(".other").addEventListener("click", () => choose(side === "front" ? "back" : "front"));
