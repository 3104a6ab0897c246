// Links of optuna-dashboard to its list of studies lead to our home page.
"use strict";

document.addEventListener("click", event => {
  const link = event.target.closest("a[href]");
  if (link && /^\/dashboard\/?$/.test(new URL(link.href).pathname)) {
    event.preventDefault();
    event.stopImmediatePropagation();
    location.assign("/");
  }
}, true);
