// The digits that were found, as boxes on the sheet. One that is pointed at, tapped or reached by keyboard is chosen:
// it tells how sure it is, and whoever listens for "choose" may show more of it.

import { percent } from "./result.js";

const REACH = 0.02; // a finger may miss a box by this part of the sheet's side
const ROOM = 11; // CSS pixels: boxes lower than this have no room for labels

/** How sure one digit is, in words. */
export const certainty = ({ confidence, rejected }) => `${percent(confidence)} sure${rejected ? ", doubtful" : ""}`;

export class Marks extends EventTarget {
  #sheet;
  #layer;
  #tip;
  #places = []; // { digit, x, y, width, height } in parts of the sheet's side, in reading order
  #of = null;

  constructor(sheet, layer, tip) {
    super();
    [this.#sheet, this.#layer, this.#tip] = [sheet, layer, tip];
    sheet.addEventListener("pointermove", (event) => {
      if (!event.buttons) this.#choose(this.#at(this.#point(event)));
    });
    sheet.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType === "mouse") this.#choose(-1);
    });
    layer.addEventListener("keydown", (event) => this.#walk(event));
    new ResizeObserver(() => this.#fit()).observe(layer);
  }

  /** Box every digit of a reading; `of` is the picture that was read, null for a drawing. */
  show({ lines, width, height }, of) {
    const side = Math.max(width, height);
    const [left, top] = [(side - width) / 2, (side - height) / 2];
    this.#of = of;
    this.#places = lines.flatMap(({ numbers }) => numbers).flatMap(({ digits }) => digits).map((digit) => {
      const [x, y, wide, tall] = digit.box;
      return { digit, x: (x + left) / side, y: (y + top) / side, width: wide / side, height: tall / side };
    });
    this.#layer.replaceChildren(...this.#places.map((place, index) => this.#button(place, index)));
    this.#layer.hidden = this.#places.length === 0;
    this.#fit();
    this.#choose(-1);
  }

  clear() { this.show({ lines: [], width: 1, height: 1 }, null); }

  /** Clear, unless the boxes belong to this picture. */
  keep(picture) { if (picture !== this.#of) this.clear(); }

  /** Choose what is at a point of the sheet; whether anything is. */
  tap(point) {
    const index = this.#at(point);
    this.#choose(index);
    return index >= 0;
  }

  #button(place, index) {
    const [mark, label] = [document.createElement("button"), document.createElement("span")];
    mark.type = "button";
    mark.className = "mark";
    mark.classList.toggle("doubtful", place.digit.rejected);
    mark.classList.toggle("high", place.y < 0.06);
    mark.tabIndex = index ? -1 : 0; // one stop for Tab; the arrow keys go on from there
    mark.ariaLabel = `${place.digit.digit}, ${certainty(place.digit)}`;
    for (const name of ["x", "y", "width", "height"]) mark.style.setProperty(`--${name}`, place[name]);
    label.textContent = `${place.digit.digit}${place.digit.rejected ? "?" : ""}`;
    mark.append(label);
    mark.addEventListener("focus", () => this.#choose(index));
    mark.addEventListener("click", () => this.#choose(index));
    mark.addEventListener("blur", () => this.#choose(-1));
    return mark;
  }

  #walk(event) {
    const marks = [...this.#layer.children];
    const now = marks.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -now, End: marks.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = marks[Math.min(Math.max(now + step, 0), marks.length - 1)];
    for (const mark of marks) mark.tabIndex = mark === next ? 0 : -1;
    next.focus();
  }

  #choose(index) {
    const place = this.#places[index];
    [...this.#layer.children].forEach((mark, each) => mark.classList.toggle("chosen", each === index));
    this.#sheet.classList.toggle("over", Boolean(place));
    this.#tip.hidden = !place;
    if (!place) return;
    this.#tip.textContent = `${place.digit.digit}: ${certainty(place.digit)}`;
    this.#tip.classList.toggle("above", place.y + place.height > 0.8);
    for (const name of ["x", "y", "width", "height"]) this.#tip.style.setProperty(`--${name}`, place[name]);
    this.dispatchEvent(new CustomEvent("choose", { detail: place }));
  }

  /** The box at a point or next to it whose middle is nearest; -1 where there is none. */
  #at(point) {
    const off = ({ x, width, y, height }) => Math.hypot(x + width / 2 - point.x, y + height / 2 - point.y);
    const near = this.#places.filter(({ x, y, width, height }) =>
      point.x > x - REACH && point.x < x + width + REACH && point.y > y - REACH && point.y < y + height + REACH);
    return this.#places.indexOf(near.sort((one, two) => off(one) - off(two))[0]);
  }

  #point({ clientX, clientY }) {
    const { left, top, width, height } = this.#sheet.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  }

  #fit() {
    const heights = this.#places.map(({ height }) => height * this.#layer.clientHeight).sort((a, b) => a - b);
    this.#layer.classList.toggle("dense", heights[Math.floor(heights.length / 2)] < ROOM);
  }
}
