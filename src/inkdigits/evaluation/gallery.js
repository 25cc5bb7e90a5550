// Filters the gallery of mistakes. Without this script the page simply shows all of them.
"use strict";
(() => {
  const controls = document.querySelector(".filters");
  if (!controls) return;
  const tiles = [...document.querySelectorAll(".gallery li")];
  const [label, answer] = controls.querySelectorAll("select");
  const count = controls.querySelector("output");

  function apply() {
    let shown = 0;
    for (const tile of tiles) {
      tile.hidden = (label.value !== "" && tile.dataset.true !== label.value)
        || (answer.value !== "" && tile.dataset.answer !== answer.value);
      if (!tile.hidden) shown += 1;
    }
    count.textContent = shown === 0 ? "No mistake of this kind."
      : `Showing ${shown} of ${tiles.length} ${tiles.length === 1 ? "mistake" : "mistakes"}.`;
  }

  function show(wanted, read) {
    label.value = wanted;
    answer.value = read;
    apply();
    const heading = controls.closest("section").querySelector("h2");
    heading.focus({ preventScroll: true });
    heading.scrollIntoView();
  }

  function fromAddress() {
    const found = /^#error-(\d)-(\d)$/.exec(location.hash);
    if (found) show(found[1], found[2]);
  }

  controls.hidden = false;
  label.addEventListener("change", apply);
  answer.addEventListener("change", apply);
  controls.querySelector("button").addEventListener("click", () => { label.value = answer.value = ""; apply(); });
  for (const link of document.querySelectorAll("a[data-true]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(link.dataset.true, link.dataset.answer);
    });
  }
  window.addEventListener("hashchange", fromAddress);
  apply();
  fromAddress();
})();
