// The alerts, made anew by the server every two seconds: it has escaped them, so nothing here makes HTML of text.
import { freshen } from "/static/shared.js";

const EVERY = 2000; // ms
const alerts = document.getElementById("alerts");
let pressed = false; // a button that is replaced between its press and its release hears of neither

const button = () => document.activeElement?.closest?.("#alerts button");
const place = (it) => [it.closest("tr").dataset.key, it.dataset.action, it.dataset.minutes];

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    freshen({ looked_at: Number(page.getElementById("fresh").dataset.lookedAt) });
    if (pressed) return;
    const focused = button() && place(button()).join();
    for (const id of ["headline", "alerts-count", "waiting-count"]) document.getElementById(id).textContent = page.getElementById(id).textContent;
    document.title = page.title;
    alerts.replaceChildren(...page.getElementById("alerts").childNodes);
    if (focused) [...alerts.querySelectorAll("tr button")].find((it) => place(it).join() === focused)?.focus();
  } catch {
    freshen(null, false);
  }
}

addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = false; });
document.getElementById("filters").addEventListener("change", (event) => event.currentTarget.submit());
setInterval(() => { if (!document.hidden) look(); }, EVERY);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
freshen({ looked_at: Number(document.getElementById("fresh").dataset.lookedAt) });
