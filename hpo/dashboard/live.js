// Updates a page in place: changes go into the existing elements, so that nothing flickers, and
// focus, selection and scroll position stay.
"use strict";

const EVERY_MS = 3000, NOTICE_MS = 1000;
const SILENT = { database: "The database cannot be read. Retrying.",
  dashboard: "The dashboard does not answer. Retrying." };
const trouble = document.querySelector("#trouble");
const filter = document.querySelector("#filter input");
const ofStudy = document.querySelector("#now");
const versions = {}; // ETag of the last answer, by path

// Shows times in the browser's zone, and the studies whose name or tags match the filter.
function prepare(page) {
  for (const time of page.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  }
  if (!filter) return;
  const part = filter.value.trim().toLowerCase();
  for (const item of page.querySelectorAll(".card, #others li")) {
    const words = `${item.querySelector("h3, a").textContent} ${item.dataset.tags ?? ""}`;
    item.hidden = !words.toLowerCase().includes(part);
  }
}

// Elements made by scripts stay: figures, and the buttons above them.
const isOurs = node => node?.classList?.contains("controls");

function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  if (old.classList.contains("plot")) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const named = new Map([...old.children].filter(child => child.id).map(child => [child.id, child]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    while (isOurs(at)) at = at.nextSibling;
    const known = child.id && named.get(child.id);
    if (known && known !== at) old.insertBefore(known, at);
    else if (!at || (child.id && !known) || (!child.id && at.id)) {
      old.insertBefore(child, at);
      continue;
    }
    const here = known || at;
    at = here.nextSibling;
    merge(here, child);
  }
  while (at) {
    const next = at.nextSibling;
    if (!isOurs(at)) at.remove();
    at = next;
  }
}

// Fetches a page; null if it has not changed.
async function fetched(path) {
  const headers = path in versions ? { "If-None-Match": versions[path] } : {};
  const answer = await fetch(path, { headers, cache: "no-store" });
  if (answer.status === 304) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (answer.status === 404) location.reload();  // the study was deleted
  if (answer.status !== 200) throw new Error(SILENT.database);
  versions[path] = answer.headers.get("ETag") || "";
  prepare(page);
  return page;
}

async function refreshHome() {
  const fresh = await fetched("/");
  if (!fresh) return;
  if (!fresh.querySelector("#running")) return location.reload();  // all studies were deleted
  merge(document.querySelector("#heading"), fresh.querySelector("#heading"));
  for (const section of fresh.querySelectorAll("main > section")) {
    merge(document.getElementById(section.id), section);
  }
}

async function refreshStudy() {
  const now = await fetched(`${location.pathname}/now`);
  if (now) {
    for (const id of ["links", "now"]) merge(document.getElementById(id), now.getElementById(id));
  }
  const fresh = await fetched(location.pathname);
  const figures = fresh?.querySelector("#figures");
  if (!figures) return;
  fresh.querySelector("#now").replaceWith(document.querySelector("#now").cloneNode(true));
  fresh.querySelector("nav").replaceWith(document.querySelector("nav").cloneNode(true));
  merge(document.querySelector("main"), fresh.querySelector("main"));
  document.querySelector("#figures").textContent = figures.textContent;
  await drawFigures();
}

async function refresh() {
  try {
    await (ofStudy ? refreshStudy() : refreshHome());
    trouble.textContent = "";
  } catch (error) {
    trouble.textContent = error instanceof TypeError ? SILENT.dashboard : error.message;
  }
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, EVERY_MS);
}

// Reloads a notice once the page has something else to show.
async function wait() {
  const text = page => page.querySelector("main").textContent;
  try {
    const html = await (await fetch(location.href, { cache: "no-store" })).text();
    const page = new DOMParser().parseFromString(html, "text/html");
    if (text(page) !== text(document)) return location.reload();
  } catch { /* no answer: retry later */ }
  setTimeout(wait, NOTICE_MS);
}

if (trouble) {
  prepare(document);
  if (filter) {
    document.querySelector("#filter").hidden = false;
    filter.addEventListener("input", () => prepare(document));
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  watch();
} else {
  setTimeout(wait, NOTICE_MS);
}
