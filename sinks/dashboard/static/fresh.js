// How fresh everything is, on pages that are told nothing else; the inbox hears it with its changes.
import { freshen } from "/static/shared.js";

const EVERY = 5000;
const shown = Date.now();

async function ask() {
  try {
    const answer = await fetch("/api/v1/fresh");
    freshen(answer.ok ? await answer.json() : null, answer.ok);
  } catch {
    freshen(null, false);
  }
}

if (!document.getElementById("inbox")) {
  ask();
  setInterval(ask, EVERY);
  // What stands here does not change by itself: after a while it says how old it is.
  const age = document.getElementById("age");
  if (age) setInterval(() => {
    const minutes = Math.floor((Date.now() - shown) / 60_000);
    if (minutes) age.textContent = `This page is ${minutes} min old; load it again for newer figures.`;
  }, 10_000);
}
