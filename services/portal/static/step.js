// Turns the arrow keys into "next" and "previous" (mirrored where reading goes from right to left),
// and brings the call that is talked about into view. Without this script the links do it.
"use strict";
(() => {
  const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const back = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const frame = document.activeElement?.closest(".scroll"); // there the arrows scroll
    if (frame && frame.scrollWidth > frame.clientWidth) return;
    const rel = { [forward]: "next", [back]: "prev" }[event.key];
    const link = rel && document.querySelector(`a[rel=${rel}]`);
    if (!link) return;
    event.preventDefault();
    location.assign(link.href);
  });

  document.querySelector(".sequence .present")?.scrollIntoView({ block: "nearest" });
})();
