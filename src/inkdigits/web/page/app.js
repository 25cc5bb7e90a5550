// Wires the page together: the sheet asks the reader, the reader tells the result.

import { Marks, certainty } from "./marks.js";
import { Reader } from "./reader.js";
import { Result } from "./result.js";
import { SAMPLES, strokesOf } from "./samples.js";
import { Sheet } from "./sheet.js";

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const SHOWN = 2048; // longest side of a picture on the sheet, in pixels; what is sent is the file as it came
const sheet = new Sheet($("canvas"));
const reader = new Reader();
const result = new Result();
const marks = new Marks($("canvas"), $("marks"), $("tip"));
let limits = null; // what the service accepts; known once it has answered

sheet.addEventListener("change", ({ detail: { settled } }) => {
  $("undo").disabled = !sheet.canUndo;
  $("redo").disabled = !sheet.canRedo;
  $("clear").disabled = sheet.empty;
  $("sheet").classList.toggle("empty", sheet.empty);
  const unseen = sheet.picture && !sheet.picture.bitmap;
  $("file-name").hidden = !unseen;
  if (unseen) $("file-name").textContent = sheet.picture.file.name || "A picture";
  if (sheet.empty) marks.clear();
  else marks.keep(sheet.picture);
  if (sheet.empty) {
    reader.cancel();
    result.empty();
  } else if (sheet.picture && limits && sheet.picture.file.size > limits.max_bytes) {
    reader.cancel();
    result.problem({ title: "The picture is too large", detail: `At most ${megabytes(limits.max_bytes)} can be sent.` });
  } else {
    result.looking(Boolean(sheet.picture));
    reader.ask(() => sheet.blob(), settled);
  }
  result.busy(reader.busy);
});
const tell = {
  answer: ({ reading, prediction }) => {
    if (prediction) {
      marks.clear();
      result.prediction(prediction, Boolean(sheet.picture));
    } else {
      marks.show(reading, sheet.picture);
      result.reading(reading);
    }
  },
  problem: ({ problem }) => {
    marks.clear();
    result.problem(problem);
  },
  offline: () => result.offline(),
};
for (const [type, show] of Object.entries(tell)) {
  reader.addEventListener(type, ({ detail }) => {
    show(detail);
    result.busy(reader.busy);
  });
}

// One digit of several: what it looks like from near, and how sure it is

marks.addEventListener("choose", ({ detail: { digit, x, y, width, height } }) => {
  const side = 1.4 * Math.max(width, height);
  sheet.cut($("near"), { x: x + width / 2 - side / 2, y: y + height / 2 - side / 2, side });
  $("near-words").textContent = `${digit.digit}: ${certainty(digit)}`;
});
sheet.addEventListener("tap", (event) => {
  if (marks.tap(event.detail)) event.preventDefault();
});

// Tools

const actions = {
  undo: () => sheet.undo(),
  redo: () => sheet.redo(),
  clear: () => sheet.clear(),
  choose: () => $("file").click(),
  show: () => sheet.write(strokesOf(SAMPLES[next()]), still.matches),
  again: () => reader.again(),
  copy: () => copy(),
};
for (const [name, act] of Object.entries(actions)) $(name).addEventListener("click", act);

async function copy() {
  const done = navigator.clipboard?.writeText($("text").value).then(() => true, () => false);
  const copied = (await done) || ($("text").select(), document.execCommand("copy")); // as on plain http elsewhere
  $("copy").textContent = copied ? "Copied" : "Select it";
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
}

let digits = [];
function next() {
  if (!digits.length) digits = [...SAMPLES.keys()].sort(() => Math.random() - 0.5);
  return digits.pop();
}

addEventListener("keydown", (event) => {
  if (event.target.closest?.("input, textarea, select") || event.altKey) return;
  const name = shortcut(event);
  if (!name) return;
  event.preventDefault();
  actions[name]();
});

function shortcut({ key, ctrlKey, metaKey, shiftKey }) {
  const letter = key.toLowerCase();
  if (ctrlKey || metaKey) return letter === "z" ? (shiftKey ? "redo" : "undo") : letter === "y" ? "redo" : null;
  return { escape: "clear", delete: "clear", backspace: "clear", o: "choose", e: "show" }[letter];
}

// Pictures: chosen, dropped or pasted

$("file").addEventListener("change", ({ target }) => {
  take(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
addEventListener("paste", ({ clipboardData }) => {
  const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file) take(file);
});
let inside = 0; // dragenter and dragleave come for every element on the way
const dragging = (event, step) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  inside = step === null ? 0 : inside + step;
  document.body.classList.toggle("dragging", inside > 0);
};
addEventListener("dragenter", (event) => dragging(event, 1));
addEventListener("dragover", (event) => dragging(event, 0));
addEventListener("dragleave", (event) => dragging(event, -1));
addEventListener("drop", (event) => {
  dragging(event, null);
  take(event.dataTransfer?.files[0]);
});

async function take(file) {
  if (!file) return;
  // A format that only the service can read is sent all the same.
  const bitmap = await createImageBitmap(file).then(shown).catch(() => null);
  sheet.show({ file, bitmap });
}

/** A bitmap no larger than a screen needs: a photo as it comes would take a hundred megabytes. */
async function shown(bitmap) {
  const scale = SHOWN / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const small = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
  bitmap.close();
  return small;
}

// The ghost: on an empty sheet a faint hand shows what to do

function haunt() {
  const path = $("ghost").firstElementChild;
  path.setAttribute("d", SAMPLES[3]);
  let digit = 3;
  path.addEventListener("animationiteration", () => {
    digit = (digit + 7) % 10;
    path.setAttribute("d", SAMPLES[digit]);
  });
  $("sheet").classList.add("empty");
}

async function meet() {
  try {
    const answer = await (await fetch("v1/models")).json();
    limits = answer.limits;
    const [{ name, architecture, parameters }] = answer.models;
    $("model").textContent = `Read by “${name}”, a ${architecture} network of ${parameters.toLocaleString("en")} numbers.`;
  } catch {
    $("model").textContent = "The model does not answer.";
    setTimeout(meet, 3000);
  }
}

const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20) || "less than 1"} MB`;

haunt();
meet();
