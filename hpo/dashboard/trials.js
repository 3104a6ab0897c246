// The table of all trials: fetches them once, then sorts, filters and shows a hundred at a time.
"use strict";

const PAGE = 100;
const table = document.querySelector("#trials"), count = document.querySelector("#count");
const filter = document.querySelector("#filter");
let columns = [], rows = [], found = [], sorted = { column: 0, down: false }, first = 0;

// The column that a word of a condition names: by its name without the unit, or "score".
function columnOf(word) {
  if (word === "score") return 2;
  return columns.findIndex(head => head === word || head.startsWith(`${word} (`));
}

// A test of rows: words that a row has, and conditions as in tau_ns<5.
function testOf(text) {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map(word => {
    const parts = /^([^<>=]+)([<>=])(.+)$/.exec(word);
    const column = parts ? columnOf(parts[1]) : -1;
    if (column < 0) return row => row.some(cell => String(cell ?? "").toLowerCase().includes(word));
    const value = Number(parts[3]);
    return row => {
      const cell = row[column];
      if (cell === null) return false;
      if (parts[2] === "=") return String(cell).toLowerCase() === parts[3] || cell === value;
      return parts[2] === "<" ? cell < value : cell > value;
    };
  });
  return row => tests.every(test => test(row));
}

function compared(one, other) { // cells without a value come last
  const a = one[sorted.column], b = other[sorted.column];
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  return sorted.down ? -order : order;
}

function element(name, text = "", more = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, more);
}

function choose() {
  found = rows.filter(testOf(filter.value)).sort(compared);
  first = 0;
  show();
}

function show() {
  const body = document.createElement("tbody");
  for (const row of found.slice(first, first + PAGE)) {
    const line = document.createElement("tr");
    row.forEach((cell, column) => {
      if (column) return line.append(element("td", cell ?? "–"));
      const head = element("th", "", { scope: "row" });
      head.append(element("a", cell, { href: `${table.dataset.study}/trial/${cell}` }));
      line.append(head);
    });
    body.append(line);
  }
  table.querySelector("tbody").replaceWith(body);
  const last = Math.min(first + PAGE, found.length), all = rows.length.toLocaleString("en");
  count.textContent = found.length
    ? `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${found.length.toLocaleString("en")}`
      + (found.length < rows.length ? ` found among ${all} trials` : " trials")
    : `None of ${all} trials.`;
  document.querySelector("#back").disabled = first === 0;
  document.querySelector("#next").disabled = last >= found.length;
  [...table.querySelectorAll("thead th")].forEach((head, column) => {
    const how = sorted.down ? "descending" : "ascending";
    if (column === sorted.column) head.setAttribute("aria-sort", how);
    else head.removeAttribute("aria-sort");
  });
}

function addHeads() {
  const line = document.createElement("tr");
  columns.forEach((text, column) => {
    const head = element("th", "", { scope: "col" });
    const button = element("button", text, { type: "button" });
    button.addEventListener("click", () => {
      sorted = { column, down: sorted.column === column && !sorted.down };
      choose();
    });
    head.append(button);
    line.append(head);
  });
  table.querySelector("thead").replaceChildren(line);
}

function turn(by) {
  first += by;
  show();
}

async function load() {
  const answer = await fetch(`${table.dataset.study}/trials.json`, { cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json()).reason);
  ({ columns, rows } = await answer.json());
  addHeads();
  choose();
}

filter.addEventListener("input", choose);
document.querySelector("#back").addEventListener("click", () => turn(-PAGE));
document.querySelector("#next").addEventListener("click", () => turn(PAGE));
load().catch(error => { count.textContent = `The trials cannot be read: ${error.message}`; });
