// Keeps the home page as it is now: what has changed is written into the elements that are there,
// so that nothing flickers and neither focus nor scroll position is lost.
"use strict";

const EVERY_MS = 3000, NOTICE_MS = 5000;
const filter = document.querySelector("#filter input");
const trouble = document.querySelector("#trouble");
let version = "";

// Times in the browser's zone, and the studies that the filter leaves.
function prepare(page) {
  for (const time of page.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  }
  const wanted = filter.value.trim().toLowerCase();
  for (const item of page.querySelectorAll(".card, #others li")) {
    item.hidden = !item.querySelector("h3, a").textContent.toLowerCase().includes(wanted);
  }
}

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
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const named = new Map([...old.children].filter(child => child.id).map(child => [child.id, child]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
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
    at.remove();
    at = next;
  }
}

async function refresh() {
  try {
    const answer = await fetch("/", { headers: { "If-None-Match": version }, cache: "no-store" });
    if (answer.status === 200) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.querySelector("#running")) return location.reload();  // no study is left
      version = answer.headers.get("ETag") || "";
      prepare(fresh);
      merge(document.querySelector("#heading"), fresh.querySelector("#heading"));
      for (const section of fresh.querySelectorAll("main > section")) {
        merge(document.getElementById(section.id), section);
      }
    }
    const away = answer.status !== 200 && answer.status !== 304;
    trouble.textContent = away ? "The database does not answer; this page tries again." : "";
  } catch {
    trouble.textContent = "The dashboard does not answer; this page tries again.";
  }
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, EVERY_MS);
}

// A page that says why there is nothing to show is loaded anew once there is something else.
async function wait(said) {
  let found = said;
  try {
    found = await (await fetch(location.href, { cache: "no-store" })).text();
  } catch { /* nobody answers: later */ }
  if (said !== "" && found !== said) return location.reload();
  setTimeout(wait, NOTICE_MS, found);
}

if (filter) {
  document.querySelector("#filter").hidden = false;
  filter.addEventListener("input", () => prepare(document));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  prepare(document);
  setTimeout(watch, EVERY_MS);
} else {
  wait("");
}
