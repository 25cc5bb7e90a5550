// Asks the service what is on the sheet: at most one question at a time, always about the newest state.
//
// What was read comes first. Where that is one digit or none, a second question tells more about it: all ten
// probabilities, what the model saw, and why it may be no digit.

const [READ, CLASSIFY] = ["v1/read", "v1/classify"];
const PAUSE = 90; // ms between questions while a stroke is being drawn
const RETRY = [1000, 2000, 4000, 8000]; // ms until the service is asked again when it does not answer

export class Reader extends EventTarget {
  #picture = null; // makes the blob to send; null when there is nothing to ask
  #ticket = 0;
  #asking = null; // the AbortController of the question under way
  #timer = 0;
  #failures = 0;
  #newer = false;

  constructor() {
    super();
    addEventListener("online", () => this.again());
  }

  /** Whether an answer about the newest state is still to come. */
  get busy() { return Boolean(this.#asking || this.#timer); }

  /** The drawing changed. When it has settled (a stroke ended) older questions are dropped and it is asked at once. */
  ask(picture, settled) {
    this.#picture = picture;
    if (settled) {
      this.again();
    } else if (this.#asking) {
      this.#newer = true;
    } else if (!this.#timer) {
      this.#timer = setTimeout(() => this.#send(), PAUSE);
    }
  }

  /** Ask once more, at once. */
  again() {
    this.#stop();
    if (this.#picture) this.#send();
  }

  /** There is nothing to read any more: an answer on its way is not wanted. */
  cancel() {
    this.#picture = null;
    this.#failures = 0;
    this.#stop();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#newer = false;
    this.#ticket++;
    this.#asking?.abort();
    this.#asking = null;
  }

  async #send() {
    this.#timer = 0;
    const ticket = ++this.#ticket;
    const asking = (this.#asking = new AbortController());
    let told;
    try {
      const body = await this.#picture();
      if (ticket !== this.#ticket) return;
      told = await this.#look(body, asking.signal);
    } catch {
      told = { type: "offline", retry: true }; // no answer at all: the service is gone, or the network is
    }
    if (ticket !== this.#ticket) return; // something newer was asked meanwhile, or nothing is wanted any more
    this.#asking = null;
    if (told.retry) this.#retry();
    else this.#failures = 0;
    if (this.#newer && !told.retry) this.ask(this.#picture, false);
    this.#newer = false;
    this.dispatchEvent(new CustomEvent(told.type, { detail: told }));
  }

  /** `{ reading, prediction }`; the prediction is null when the reading says more. */
  async #look(body, signal) {
    const read = await this.#post(READ, body, signal);
    const text = read.answer?.text.replace(/\s/g, "");
    if (!read.answer || text.length > 1) return { ...read, reading: read.answer, prediction: null };
    const one = await this.#post(CLASSIFY, body, signal);
    // Where nothing is read the reading says why: the picture as a whole may look like a digit, as a table's edge does.
    if (!text && one.answer) one.answer = { ...one.answer, rejected: true, reason: read.answer.reason };
    // One digit that was found among other things is no matter of the picture as a whole.
    const other = text && !read.answer.reason && (one.answer?.rejected || one.answer?.digit !== Number(text));
    return { ...one, reading: read.answer, prediction: other ? null : one.answer };
  }

  async #post(path, body, signal) {
    const type = body.type.startsWith("image/") ? body.type : "application/octet-stream";
    const answer = await fetch(path, { method: "POST", body, signal, headers: { "Content-Type": type } });
    if (answer.ok) return { type: "answer", answer: await answer.json() };
    const problem = await answer.json().catch(() => ({ title: "The service is in trouble", detail: answer.statusText }));
    return { type: "problem", problem, retry: answer.status === 503 };
  }

  #retry() {
    const wait = RETRY[Math.min(this.#failures++, RETRY.length - 1)];
    this.#timer = setTimeout(() => this.again(), wait);
  }
}
