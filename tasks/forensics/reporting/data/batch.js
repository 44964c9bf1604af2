"use strict";
const FIRST = 200; // a table of thousands takes seconds to lay out
const rows = Array.from(document.querySelectorAll("#cases tbody tr"));
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
const controls = Array.from(document.querySelectorAll("[data-filter]"));
const words = document.getElementById("words");
const shown = document.getElementById("shown");
const all = document.getElementById("all");
let order = rows;
let limit = FIRST;
function show() {
  const said = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  order.forEach((row) => {
    const fits = controls.every((control) => !control.value ||
      (" " + row.dataset[control.dataset.filter] + " ").includes(" " + control.value + " ")) &&
      said.every((word) => texts.get(row).includes(word));
    count += fits ? 1 : 0;
    row.hidden = !fits || count > limit;
  });
  all.hidden = count <= limit;
  shown.textContent = count + " of " + rows.length + " cases" +
    (count > limit ? ", the first " + limit + " shown" : "");
}
function keyOf(cell) {
  const figure = cell.dataset.n;
  if (figure === undefined) return cell.textContent.trim().toLowerCase();
  return figure === "" ? -Infinity : Number(figure);
}
function sort(head) {
  const at = head.cellIndex;
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const keys = new Map(rows.map((row) => [row, keyOf(row.cells[at])]));
  const compare = (a, b) => (keys.get(a) < keys.get(b) ? -sign : keys.get(a) > keys.get(b) ? sign : 0);
  order = rows.slice().sort(compare);
  document.querySelectorAll("#cases th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
  document.querySelector("#cases tbody").append(...order);
  show();
}
function showAll() {
  limit = Infinity;
  show();
}
controls.forEach((control) => control.addEventListener("change", show));
words.addEventListener("input", show);
all.addEventListener("click", showAll);
window.addEventListener("beforeprint", showAll);
document.querySelectorAll("#cases th").forEach((head) => {
  head.querySelector("button").addEventListener("click", () => sort(head));
});
show();
