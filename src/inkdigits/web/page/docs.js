// Shows the service's OpenAPI description: every operation with commands to copy, a form to try it, and its fields.

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
/** Text in which `code` is marked by backticks. */
const prose = (text = "") => text.split("`").map((part, place) => (place % 2 ? make("code", { textContent: part }) : part));
const server = new URL(".", location.href).href.replace(/\/$/, "");

async function show() {
  const lead = document.getElementById("lead");
  let described;
  try {
    described = await (await fetch("openapi.json")).json();
  } catch {
    lead.textContent = "The service does not answer. Start it again with inkdigits serve, then reload this page.";
    return;
  }
  lead.textContent = described.info.description;
  const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })));
  document.getElementById("operations").append(...operations.map((each) => section(each, described)));
  document.getElementById("contents").append(
    ...operations.map(({ operationId, summary }) => make("a", { href: `#${operationId}`, textContent: summary })),
    make("a", { href: "#problems-title", textContent: "When a request is refused" }));
  document.getElementById("problems").append(...described["x-problems"].map(problem));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView(); // it was not there before
}

function section(operation, described) {
  const { path, method, operationId, summary, description } = operation;
  const title = make("h2", { id: operationId, textContent: summary });
  return make("section", {},
    title,
    make("p", { className: "address" }, make("span", { className: "method", textContent: method }), path),
    make("p", {}, ...prose(description)),
    ...(operation.requestBody ? [make("p", {}, ...prose(operation.requestBody.description))] : []),
    make("h3", { textContent: "On the command line" }),
    ...operation["x-examples"].map(command),
    make("h3", { textContent: "Try it" }),
    ...attempt(operation),
    make("h3", { textContent: "The answer" }),
    fields(operation, described));
}

function command({ label, source }) {
  const text = source.replaceAll("{server}", server);
  const copy = make("button", { type: "button", textContent: "Copy" });
  copy.setAttribute("aria-label", `Copy the command: ${label}`);
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(text).catch(() => {});
    copy.textContent = navigator.clipboard ? "Copied" : "Select it"; // there is no clipboard on plain http elsewhere
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  return make("div", { className: "command" },
    make("p", { className: "label", textContent: label }), make("pre", { tabIndex: 0 }, make("code", { textContent: text })), copy);
}

function attempt({ path, method, requestBody, summary }) {
  const form = make("form", { className: "try" });
  const file = make("input", { type: "file", accept: "image/*" });
  file.setAttribute("aria-label", `Picture for: ${summary}`);
  const output = make("pre", { hidden: true, tabIndex: 0 });
  output.setAttribute("role", "status");
  if (requestBody) form.append(file);
  form.append(make("button", { textContent: "Send" }));
  if (requestBody) form.append(make("span", { className: "label", textContent: "Without a picture, a sample seven is sent." }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = "…";
    try {
      const body = requestBody ? await picture(file.files[0]) : undefined;
      const answer = await fetch(`.${path}`, { method, body });
      output.textContent = `${answer.status} ${answer.headers.get("content-type")}\n\n${pretty(await answer.json())}`;
    } catch {
      output.textContent = "The service does not answer.";
    }
  });
  return [form, output];
}

async function picture(chosen) {
  const body = new FormData();
  body.append("image", chosen ?? await (await fetch("page/seven.png")).blob(), chosen?.name ?? "seven.png");
  return body;
}

/** JSON with rows of numbers on one line each, so that the picture in `seen` can be seen. */
const pretty = (document) => JSON.stringify(document, null, 2)
  .replace(/\[[\s\d.,e-]+\]/g, (row) => row.replace(/\s+/g, "").replaceAll(",", ", "));

function fields({ responses }, described) {
  const { $ref } = responses["200"].content["application/json"].schema;
  const head = make("thead", {}, make("tr", {}, ...["Field", "Type", "Meaning"].map((text) => make("th", { textContent: text }))));
  return make("table", { className: "fields" }, head, make("tbody", {}, ...rows($ref, described, 0)));
}

function rows($ref, described, depth) {
  const { properties } = described.components.schemas[$ref.split("/").at(-1)];
  return Object.entries(properties).flatMap(([name, field]) => {
    const inner = field.$ref ?? field.items?.$ref;
    const cell = make("td", {}, make("code", { textContent: name }));
    cell.style.paddingLeft = `${depth * 1.2}rem`; // parts of a field stand below it, further in
    const row = make("tr", {}, cell, make("td", { textContent: typeOf(field) }), make("td", {}, ...prose(field.description)));
    return [row, ...(inner ? rows(inner, described, depth + 1) : [])];
  });
}

function typeOf(field) {
  if (field.anyOf) return field.anyOf.map(typeOf).join(" or ");
  if (field.type === "array" && field.minItems === field.maxItems && field.minItems) return `${field.minItems} of ${typeOf(field.items)}`;
  if (field.type === "array") return `list of ${typeOf(field.items)}`;
  return field.type ?? "object";
}

function problem({ slug, status, title, advice }) {
  return make("div", { id: `problem-${slug}` }, make("dt", {}, make("code", { textContent: `${status} ${slug}` })),
    make("dd", { textContent: `${title}. ${advice}` }));
}

show();
