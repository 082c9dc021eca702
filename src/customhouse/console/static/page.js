// SPDX-License-Identifier: Apache-2.0
// What no page needs: it counts down to the end of an approval, and keeps a form from being sent twice.
"use strict";

for (const place of document.querySelectorAll("[data-until-ms]")) {
  const until = Number(place.dataset.untilMs);
  // Both clocks are the server's at the moment the page was made: a wrong clock here changes nothing.
  const started = performance.now();
  const left = until - Number(place.dataset.nowMs);
  const tell = () => {
    const seconds = Math.floor((left - (performance.now() - started)) / 1000);
    if (seconds < 0) {
      place.textContent = "now over: open the page again";
      for (const button of document.querySelectorAll("form.answer button")) button.disabled = true;
      return;
    }
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    place.textContent = hours > 0 ? `${hours} h ${minutes % 60} min left`
      : minutes > 0 ? `${minutes} min ${String(seconds % 60).padStart(2, "0")} s left` : `${seconds} s left`;
    setTimeout(tell, 1000);
  };
  tell();
}

for (const form of document.querySelectorAll("form")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
}
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
