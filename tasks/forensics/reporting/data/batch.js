"use strict";
const rows = Array.from(document.querySelectorAll("#cases tbody tr"));
const texts = rows.map((row) => row.textContent.toLowerCase());
const controls = Array.from(document.querySelectorAll("[data-filter]"));
const words = document.getElementById("words");
const shown = document.getElementById("shown");
function filter() {
  const said = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  rows.forEach((row, at) => {
    const fits = controls.every((control) => !control.value ||
      (" " + row.dataset[control.dataset.filter] + " ").includes(" " + control.value + " "));
    const visible = fits && said.every((word) => texts[at].includes(word));
    row.hidden = !visible;
    count += visible ? 1 : 0;
  });
  shown.textContent = count + " of " + rows.length + " cases";
}
function sort(head) {
  const at = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  const key = (row) => row.cells[at].dataset.n || row.cells[at].textContent.trim();
  const compare = (a, b) => key(a).localeCompare(key(b), undefined, { numeric: true });
  const order = rows.slice().sort((a, b) => (down ? compare(b, a) : compare(a, b)));
  document.querySelectorAll("#cases th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  document.querySelector("#cases tbody").append(...order);
}
controls.forEach((control) => control.addEventListener("change", filter));
words.addEventListener("input", filter);
document.querySelectorAll("#cases th").forEach((head) => {
  head.querySelector("button").addEventListener("click", () => sort(head));
});
filter();
