// Shows what was read. Of one digit: the digit, in words, all ten probabilities, and what the model saw. Of several: the
// number or the numbers in lines, and the digit that is chosen from near.

const $ = (id) => document.getElementById(id);
const QUIET = 500; // ms of rest before a result is read out, so that a screen reader is not flooded while drawing

const SHORT = 6; // digits of a number that is shown large
const HEARD = 60; // characters of a text that is read out

/** Rounded down, as the library does: 0.9996 never reads as certainty. */
export const percent = (part) => (part < 0.001 ? "< 0.1 %" : `${Math.floor(part * 1000 + 1e-9) / 10} %`);

export class Result {
  #bars;
  #levels = null;
  #timer = 0;

  constructor() {
    this.#bars = Array.from({ length: 10 }, (_, digit) => bar(digit));
    $("bars").replaceChildren(...this.#bars.map(({ row }) => row));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paintSeen());
    this.empty();
  }

  empty() {
    this.#numbers(null);
    this.#say("empty", "", "Nothing is drawn yet", "Draw a digit or a number on the sheet, or bring a picture.");
    this.#aloud("Nothing is drawn.");
  }

  /** Whether what is shown will change in a moment. */
  busy(waiting) { $("result").ariaBusy = String(waiting); }

  /** What is on the sheet will be known in a moment. Until then an older answer stays, unless the picture is `fresh`. */
  looking(fresh) {
    if (fresh || ["empty", "blank", "none", "problem"].includes($("result").dataset.state)) {
      this.#numbers(null);
      this.#say("looking", "", "Looking …", "");
    }
  }

  /** One digit, or none; `brought` when it is of a picture and not of a drawing. */
  prediction({ digit, confidence, probabilities, rejected, reason, candidates, seen }, brought) {
    const none = rejected && nothing(reason ?? "", brought);
    this.#numbers(none ? null : probabilities, none ? -1 : digit, seen);
    const others = candidates.filter((other) => other !== digit);
    const state = rejected ? "rejected" : others.length ? "unsure" : "sure";
    if (none) {
      this.#say(...none);
    } else if (rejected) {
      this.#say(state, digit, "Hard to say", sentence(reason ?? "not sure enough"), others.length ? candidates : []);
    } else if (others.length) {
      this.#say(state, digit, `Probably ${article(digit)} ${word(digit)}`, `${percent(confidence)} sure`, candidates);
    } else {
      this.#say(state, digit, `It is ${article(digit)} ${word(digit)}`, `${percent(confidence)} sure`);
    }
    const guess = $("result").dataset.state === "rejected" ? `Best guess: ${digit}.` : "";
    this.#aloud(`${$("verdict").textContent}. ${$("detail").textContent} ${guess}`);
  }

  /** Several digits, or one among other things. */
  reading({ text, lines }) {
    const numbers = lines.flatMap((line) => line.numbers);
    const all = numbers.flatMap(({ digits }) => digits);
    const doubtful = all.filter(({ rejected }) => rejected).length;
    const [only] = numbers.length === 1 ? numbers : [];
    const verdict = only ? `${doubtful ? "Perhaps" : "It says"} ${text}` : `${numbers.length} numbers in ${count(lines.length, "line")}`;
    const sure = only ? `${percent(only.confidence)} sure` : `${count(all.length, "digit")}, none of them doubtful`;
    const doubt = `Doubtful: ${doubtful} of ${count(all.length, "digit")}, in orange boxes`;
    this.#numbers(null);
    $("text").value = text;
    $("text").rows = Math.min(lines.length, 8);
    $("near").getContext("2d").clearRect(0, 0, $("near").width, $("near").height);
    $("near-words").textContent = "Point at a digit";
    $("digit").style.setProperty("--letters", text.length);
    const large = only && text.length <= SHORT ? text : "";
    this.#say(doubtful ? "several-doubtful" : "several", large, verdict, doubtful ? doubt : sure);
    this.#aloud(`${verdict}. ${$("detail").textContent}. ${only || text.length > HEARD ? "" : text}`);
  }

  problem({ title, detail }) {
    this.#numbers(null);
    this.#say("problem", "", title ?? "That did not work", detail ?? "");
    this.#aloud(`${title}. ${detail}`);
  }

  offline() {
    const where = navigator.onLine ? "Is inkdigits serve still running?" : "This device is offline.";
    const what = `${where} Your drawing stays; I keep trying.`;
    this.#say("offline", "", "No answer", what);
    this.#aloud(`No answer. ${what}`);
  }

  #say(state, digit, verdict, detail, candidates = []) {
    const shown = $("digit");
    const changed = shown.textContent !== String(digit);
    $("result").dataset.state = state;
    shown.textContent = digit;
    if (changed && digit !== "") shown.animate?.(pop(), { duration: 220, easing: "cubic-bezier(.2, 1.4, .4, 1)" });
    $("verdict").textContent = verdict;
    $("detail").textContent = detail;
    $("candidates").hidden = candidates.length === 0;
    $("candidates").replaceChildren("Could be ", ...candidates.map(chip));
    $("again").hidden = state !== "offline";
  }

  #numbers(probabilities, best = -1, seen = null) {
    this.#bars.forEach(({ row, fill, value }, digit) => {
      const part = probabilities?.[digit] ?? 0;
      row.classList.toggle("best", digit === best);
      fill.style.setProperty("--part", part);
      value.textContent = probabilities ? percent(part) : "";
    });
    this.#levels = seen;
    this.#paintSeen();
  }

  #paintSeen() {
    const canvas = $("seen");
    const context = canvas.getContext("2d");
    const picture = context.createImageData(28, 28);
    const [red, green, blue] = getComputedStyle(canvas).color.match(/\d+/g).map(Number);
    this.#levels?.flat().forEach((level, place) => picture.data.set([red, green, blue, level], 4 * place));
    context.putImageData(picture, 0, 0);
    canvas.setAttribute("aria-label", `What the model saw: ${this.#levels ? "28 by 28 pixels" : "nothing yet"}`);
  }

  #aloud(words) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { $("announce").textContent = words; }, QUIET);
  }
}

function bar(digit) {
  const [row, label, track, fill, value] = ["li", "b", "span", "span", "span"].map((tag) => document.createElement(tag));
  [label.className, track.className, fill.className, value.className] = ["label", "track", "fill", "value"];
  label.textContent = digit;
  track.append(fill);
  row.append(label, track, value);
  return { row, fill, value };
}

function chip(digit) {
  const element = document.createElement("b");
  element.textContent = digit;
  return element;
}

function pop() {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return [];
  return [{ transform: "scale(.86)", opacity: 0.4 }, { transform: "none", opacity: 1 }];
}

/** What to say of a picture that shows no digit, or not just one; null for other reasons. */
function nothing(reason, brought) {
  const where = brought ? "this picture" : "this drawing";
  if (reason.startsWith("blank")) return ["blank", "", "I see no ink", sentence(`${where} seems to be blank`)];
  if (reason === "not a digit") return ["none", "", "That does not look like a digit", `None of 0 to 9 is in ${where}, as far as I see.`];
  if (!reason.startsWith("several")) return null;
  return ["none", "", "That looks like several digits", "I cannot tell them apart. A little room between them helps."];
}

const WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const word = (digit) => WORDS[digit];
const article = (digit) => (digit === 8 ? "an" : "a");
const count = (number, thing) => (number === 1 ? `one ${thing}` : `${number} ${thing}s`);
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
