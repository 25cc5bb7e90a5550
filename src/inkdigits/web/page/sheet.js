// The sheet: strokes and pictures as data, drawn at the screen's own resolution, with undo and redo.
//
// A stroke is a list of points { x, y, weight } in the unit square, so a resize loses nothing. The history is a list
// of whole states that share their strokes; clearing is one more state, and can be undone like anything else.

const PEN = 0.05; // width of a stroke, as a part of the sheet's side
const NATURAL = [0.11, 0.16]; // width of a stroke, as a part of the digit's longer side, in people's handwriting
const SENT = 320; // side of the picture that is sent, in pixels
const TAP = 0.015; // a pointer that moves less than this part of the sheet's side taps
const STATES = 200; // how far undo goes back ...
const PICTURES = 5; // ... and over how many pictures, which are what takes memory
const EMPTY = Object.freeze({ strokes: Object.freeze([]), picture: null });

export class Sheet extends EventTarget {
  #canvas;
  #context;
  #states = [EMPTY];
  #at = 0;
  #stroke = null;
  #pointer = null;
  #moved = false; // whether the stroke under way is more than a tap

  constructor(canvas) {
    super();
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#up(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.#watchResolution();
  }

  get #state() { return this.#states[this.#at]; }
  get #strokes() { return this.#stroke ? [...this.#state.strokes, this.#stroke] : this.#state.strokes; }
  get empty() { return !this.#stroke && !this.#state.picture && this.#state.strokes.length === 0; }
  get picture() { return this.#stroke && this.#moved ? null : this.#state.picture; }
  get canUndo() { return this.#at > 0; }
  get canRedo() { return this.#at < this.#states.length - 1; }

  undo() { this.#go(this.#at - 1); }
  redo() { this.#go(this.#at + 1); }
  clear() { if (!this.empty) this.#push(EMPTY); }

  /** Put a picture on the sheet: `{ file, bitmap }`; the bitmap is null when this browser cannot show the format. */
  show(picture) { this.#push({ strokes: [], picture }); }

  /** Add whole strokes, one point at a time unless `still`; resolves to false when something else came between. */
  async write(strokes, still) {
    this.clear();
    for (const points of strokes) {
      const mine = (this.#stroke = []);
      this.#pointer = "sample";
      this.#moved = true;
      for (const point of points) {
        if (this.#stroke !== mine) return false;
        this.#extend(point);
        if (!still) await new Promise((resolve) => setTimeout(resolve, 12));
      }
      if (this.#stroke !== mine) return false;
      this.#finish();
    }
    return true;
  }

  /** What is sent to be read: the file as it came, or the drawing as a PNG, dark ink on white. */
  async blob() {
    if (this.picture) return this.picture.file;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SENT;
    const context = canvas.getContext("2d", { alpha: false });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, SENT, SENT);
    const strokes = this.#strokes;
    const width = naturalWidth(strokes) * SENT;
    for (const stroke of strokes) paint(context, stroke, SENT, width, "#000");
    // Not toBlob: a busy browser puts that off until it is idle, which can take a second.
    const bytes = atob(canvas.toDataURL("image/png").split(",")[1]);
    return new Blob([Uint8Array.from(bytes, (letter) => letter.charCodeAt(0))], { type: "image/png" });
  }

  redraw() {
    const side = this.#canvas.width;
    this.#context.clearRect(0, 0, side, side);
    this.#render(this.#context, side);
  }

  /** Draw a square piece of the sheet, given in parts of its side, over the whole of another canvas. */
  cut(canvas, { x, y, side }) {
    const context = canvas.getContext("2d");
    const whole = canvas.width / side;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.save();
    context.translate(-x * whole, -y * whole);
    this.#render(context, whole);
    context.restore();
  }

  #render(context, side) {
    const bitmap = this.picture?.bitmap;
    if (bitmap) {
      const scale = Math.min(side / bitmap.width, side / bitmap.height);
      const [width, height] = [bitmap.width * scale, bitmap.height * scale];
      context.imageSmoothingEnabled = scale < 4; // a tiny picture is shown as the pixels it is made of
      context.drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
    }
    if (!this.picture) for (const stroke of this.#strokes) paint(context, stroke, side, PEN * side, this.#ink());
  }

  #ink() { return getComputedStyle(this.#canvas).color; }

  #fit() {
    const side = Math.max(1, Math.round(this.#canvas.clientWidth * devicePixelRatio));
    if (this.#canvas.width !== side) this.#canvas.width = this.#canvas.height = side;
    this.redraw();
  }

  #watchResolution() {
    // A window that moves to another screen, or a zoom, changes the ratio; each query holds for one value only.
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    query.addEventListener("change", () => { this.#fit(); this.#watchResolution(); }, { once: true });
  }

  #down(event) {
    if (event.button !== 0 || typeof this.#pointer === "number") return;
    if (this.#stroke) this.#finish(); // a sample that is being written ends where a hand begins
    event.preventDefault();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#stroke = [];
    this.#moved = false;
    this.#extend(this.#point(event));
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.#extend(this.#point(each));
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#finish();
  }

  #point(event) {
    const frame = this.#canvas.getBoundingClientRect();
    // Only pens report an honest pressure; 0.5 is what everything else says.
    const weight = event.pointerType === "pen" && event.pressure > 0 ? 0.6 + 0.8 * event.pressure : 1;
    return { x: (event.clientX - frame.left) / frame.width, y: (event.clientY - frame.top) / frame.height, weight };
  }

  #extend(point) {
    const last = this.#stroke.at(-1);
    if (last && Math.hypot(point.x - last.x, point.y - last.y) < 0.002) return;
    this.#stroke.push(point);
    const start = this.#stroke[0];
    if (!this.#moved && Math.hypot(point.x - start.x, point.y - start.y) > TAP) {
      this.#moved = true;
      if (this.#state.picture) this.redraw(); // a drawing takes the picture's place
    }
    const side = this.#canvas.width;
    if (!this.picture) paint(this.#context, this.#stroke, side, PEN * side, this.#ink(), this.#stroke.length - 1);
    if (this.#moved) this.#changed(false);
  }

  #finish() {
    const strokes = this.#state.picture ? [] : this.#state.strokes;
    const stroke = Object.freeze(this.#stroke);
    const tapped = !this.#moved && stroke.length && this.#tapped(stroke[0]);
    this.#stroke = this.#pointer = null;
    if (tapped) this.redraw();
    else if (stroke.length) this.#push({ strokes: [...strokes, stroke], picture: null });
  }

  /** Whether a tap was meant for what is on the sheet, and is no dot: a listener said so, or a picture is there. */
  #tapped({ x, y }) {
    const free = this.dispatchEvent(new CustomEvent("tap", { cancelable: true, detail: { x, y } }));
    return !free || Boolean(this.#state.picture);
  }

  #push(state) {
    this.#stroke = this.#pointer = null;
    const kept = this.#states.slice(0, this.#at + 1);
    const dropped = this.#states.slice(this.#at + 1);
    kept.push(state);
    while (kept.length > STATES || kept.filter(({ picture }) => picture).length > PICTURES) dropped.push(kept.shift());
    for (const { picture } of dropped) picture?.bitmap?.close();
    this.#states = kept;
    this.#go(kept.length - 1);
  }

  #go(place) {
    if (place < 0 || place >= this.#states.length) return;
    this.#stroke = this.#pointer = null;
    this.#at = place;
    this.redraw();
    this.#changed(true);
  }

  /** `settled` is false in the middle of a stroke. */
  #changed(settled) {
    this.dispatchEvent(new CustomEvent("change", { detail: { settled } }));
  }
}

/** The pen's width as a part of the sheet; for very small and very large digits nearer to what a hand would use. */
function naturalWidth(strokes) {
  const extent = (stroke, axis) => {
    const values = stroke.map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  };
  // A number's digits are as large as its longest stroke, however many there are.
  const side = Math.max(0.12, ...strokes.map((stroke) => Math.max(extent(stroke, "x"), extent(stroke, "y"))));
  return Math.min(Math.max(PEN, NATURAL[0] * side), NATURAL[1] * side);
}

/** Draw a stroke smoothly: curves between the middles of its points, with the points as handles. */
function paint(context, points, side, width, color, from = 0) {
  const middle = (a, b) => [((a.x + b.x) / 2) * side, ((a.y + b.y) / 2) * side];
  context.strokeStyle = color;
  context.lineCap = context.lineJoin = "round";
  for (let index = from; index < points.length; index++) {
    const [now, before, earlier] = [points[index], points[index - 1] ?? points[index], points[index - 2]];
    context.lineWidth = width * now.weight;
    context.beginPath();
    if (earlier) {
      context.moveTo(...middle(earlier, before));
      context.quadraticCurveTo(before.x * side, before.y * side, ...middle(before, now));
    } else {
      context.moveTo(before.x * side, before.y * side);
    }
    if (index === points.length - 1) context.lineTo(now.x * side, now.y * side); // up to the pen's tip
    context.stroke();
  }
}
