// What every page needs: times as people say them, and how fresh the page is.

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "·";
  if (seconds < 99.5) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${seconds.toFixed(0)} s`;
  let minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  let hours = Math.floor(minutes / 60);
  minutes %= 60;
  if (hours < 10) return `${hours} h ${String(minutes).padStart(2, "0")} m`;
  if (hours < 48) return `${hours} h`;
  const days = Math.floor(hours / 24);
  hours %= 24;
  return days < 10 ? `${days} d ${String(hours).padStart(2, "0")} h` : `${days.toLocaleString("en")} d`;
}

export function moment(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ") + " UTC";
}

/** Return an address that a link may lead to; empty for any other. */
export function safe(url) {
  return /^https?:\/\//.test(url) ? url : "";
}

/** An element with text in it; text is text, never HTML. */
export function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, value);
  return made;
}

const STALE_SECONDS = 10, BEHIND_SECONDS = 120;
const line = document.getElementById("fresh");
const still = Boolean(line.dataset.still); // as where a replay has left its data
const given = (name) => Number(line.dataset[name]) || null;
let last = { looked_at: given("lookedAt"), newest: given("newest"), measured: given("measured") }, connected = true;

/** Say in what way the page is not true any more; the server says it the same way. */
function stale(now) {
  if (!last.looked_at) return "no answer from ClickHouse yet";
  const age = now - last.looked_at;
  if (!connected) return `not connected, data ${duration(age)} old`;
  if (age > STALE_SECONDS) return `data ${duration(age)} old: ClickHouse does not answer`;
  const since = last.measured || last.newest;
  return !still && since && now - since > BEHIND_SECONDS ? `figures ${duration(now - since)} old: worker or sink is behind` : "";
}

/** Say how fresh what is shown is, with what the server says of it. */
export function freshen(fresh, isConnected = true) {
  if (fresh) last = fresh;
  connected = isConnected;
  const wrong = stale(Date.now() / 1000), words = wrong || (still ? "not live: nothing comes in here" : "live"), [said, help] = line.children;
  if (said.textContent !== words) said.textContent = words;
  said.classList.toggle("stale", Boolean(wrong));
  help.hidden = !wrong;
}
