// Keeps a live part of a page up to date: asks every two seconds with the tag of what it has, says
// politely what is new, and says when it is paused. Without this script the refresh link does.
"use strict";
(() => {
  const part = document.querySelector("[data-live]");
  const state = document.querySelector("[data-live-state]");
  const toggle = document.querySelector("[data-live-toggle]");
  const announce = document.querySelector("[data-live-announce]");
  if (!part || !window.fetch) return;
  const EVERY_MS = 2000;
  let tag = "";
  let paused = false;
  const latest = () => part.querySelector("[data-live-says]");
  let said = latest()?.dataset.liveSays;

  const show = (key) => {
    if (state.textContent === state.dataset[key]) return;
    state.textContent = state.dataset[key];
    state.className = key;
    if (key !== "on") announce.textContent = state.dataset[key];
  };

  const ask = async () => {
    const answer = await fetch(part.dataset.live, {
      headers: { Accept: "text/html", ...(tag && { "If-None-Match": tag }) },
      cache: "no-store",
    });
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(answer.status);
    tag = answer.headers.get("ETag") || "";
    const html = await answer.text();
    if (paused || part.contains(document.activeElement)) { // never take the focus away
      tag = "";
      return;
    }
    const scrolled = part.querySelector(".scroll")?.scrollLeft;
    part.innerHTML = html;
    if (scrolled) part.querySelector(".scroll")?.scrollTo({ left: scrolled });
    if (latest() && latest().dataset.liveSays !== said) {
      said = latest().dataset.liveSays;
      announce.textContent = latest().textContent;
    }
  };

  const tick = async () => {
    if (!paused && !document.hidden) {
      try {
        await ask();
        if (!paused) show("on");
      } catch {
        if (!paused) show("lost");
      }
    }
    setTimeout(tick, EVERY_MS);
  };

  toggle.addEventListener("click", () => {
    paused = !paused;
    toggle.textContent = paused ? toggle.dataset.continue : toggle.dataset.pause;
    show(paused ? "paused" : "on");
  });
  state.className = "on";
  state.hidden = toggle.hidden = false;
  document.querySelector("[data-live-refresh]").hidden = true;
  setTimeout(tick, EVERY_MS);
})();
