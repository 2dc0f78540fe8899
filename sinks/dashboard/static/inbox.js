// The inbox, kept up to date by server-sent events. Only the rows that can be seen are in the page, so that ten thousand stay smooth.
import { left } from "/static/business_time.js";
import { duration, element, freshen, moment, safe } from "/static/shared.js";

const MOST = 10_000; // so many are told; who waits behind so many others is not
const BEYOND = 20; // rows above and below what is seen
const box = document.getElementById("inbox");
const body = box.querySelector("tbody");
const filters = document.getElementById("filters");
const news = document.getElementById("news");
const words = filters.elements.q;
const told = document.getElementById("said");
const empty = document.getElementById("empty");
const can = box.dataset.can.split(" ");
let ROW; // the height of a row, as page.css has it: another on a phone
let pressed = false; // a button that is replaced between its press and its release hears of neither

const items = new Map(); // by key
let order = []; // as it is shown
let arrived = new Set(); // keys that came while somebody was reading further down
let selected = "";
let source;

const key = (item) => `${item.account} ${item.turn_id}`;
const sorted = () => [...items.values()].sort((a, b) =>
  a.due_at - b.due_at || (a.account < b.account ? -1 : a.account > b.account ? 1 : 0) || (a.turn_id < b.turn_id ? -1 : 1));

function measure() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  ROW = parseFloat(getComputedStyle(box).getPropertyValue("--row")) * rem;
}

function query() {
  const asked = new URLSearchParams(new FormData(filters));
  for (const [name, value] of [...asked]) if (!value) asked.delete(name);
  return asked.toString();
}

function connect() {
  source?.close();
  const asked = query();
  history.replaceState(null, "", asked ? `/?${asked}` : "/");
  source = new EventSource(`/api/v1/inbox/events${asked ? `?${asked}` : ""}`);
  source.addEventListener("all", (event) => {
    const told = JSON.parse(event.data);
    items.clear();
    for (const item of told.items) items.set(key(item), item);
    arrived.clear();
    arrange();
    freshen(told.fresh);
  });
  source.addEventListener("change", (event) => {
    const told = JSON.parse(event.data);
    const reading = box.scrollTop > ROW;
    for (const item of told.put) {
      if (reading && !items.has(key(item))) arrived.add(key(item));
      items.set(key(item), item);
    }
    for (const name of told.gone) {
      items.delete(name);
      arrived.delete(name);
    }
    arrange();
    freshen(told.fresh);
  });
  source.addEventListener("fresh", (event) => freshen(JSON.parse(event.data)));
  source.addEventListener("error", () => freshen(null, false));
}

/** Put the rows in order. Who arrived while somebody reads further down is announced, and moves nothing. */
function arrange() {
  order = sorted().filter((item) => !arrived.has(key(item)));
  news.hidden = !arrived.size;
  news.firstElementChild.textContent = `${arrived.size} new`;
  empty.hidden = order.length > 0;
  empty.textContent = query() ? "Nobody of these is waiting." : empty.dataset.nobody;
  document.getElementById("rest")?.remove();
  summarise();
  draw();
}

function summarise() {
  const all = [...items.values()];
  const filtered = query() !== "";
  const count = (state) => all.filter((item) => item.state === state).length.toLocaleString("en");
  const oldest = Math.min(...all.map((item) => item.opened_at));
  const people = all.length === 1 ? "person is" : "people are";
  document.getElementById("headline").textContent = !all.length ? (filtered ? "Nobody of these is waiting." : "Nobody is waiting.")
    : `${all.length.toLocaleString("en")}${all.length < MOST ? "" : " or more"} ${people} waiting · oldest ${duration(Date.now() / 1000 - oldest / 1000)} · ${count("past target")} past target · ${count("at risk")} at risk`;
  if (filtered) return;
  document.getElementById("waiting-count").textContent = all.length.toLocaleString("en");
  document.title = `Inbox ${all.length} · Rapport`;
}

function row(item) {
  const now = Date.now(), target = left(item, now);
  const line = element("tr", "", { class: item.state.replace(" ", "-"), "data-key": key(item) });
  line.append(element("td", duration((now - item.opened_at) / 1000), { title: `since ${moment(item.opened_at)}` }));
  const said = element("td");
  said.append(element("b", item.name || item.contact_id), " ");
  const url = safe(item.url);
  said.append(url ? element("a", item.text || "open the post", { href: url, rel: "noreferrer noopener", target: "_blank", title: item.text })
    : element("span", item.text || "(no text)", { title: item.text }));
  line.append(said);
  const account = element("td");
  account.append(element("a", item.account, { href: `/accounts/${encodeURIComponent(item.account)}` }));
  line.append(account);
  line.append(element("td", target.words, { title: `due ${moment(item.due_at)}${target.by}` }));
  const reasons = element("td", item.reasons.join(", "));
  if (item.rule) reasons.append(" ", element("span", item.rule, { class: "rule" }));
  line.append(reasons, acts(item));
  if (key(item) === selected) line.setAttribute("aria-selected", "true");
  return line;
}

/** What has been said to the alert that fires for a row, or the buttons that say something. */
function acts(item) {
  const cell = element("td", "", { class: "acts" });
  if (item.held) cell.append(element("span", item.held.says, { class: "held", title: `said ${moment(item.held.at)}` }));
  else if (item.alert_id && can.includes("acknowledge")) cell.append(
    element("button", "Acknowledge", { type: "button", "data-action": "acknowledge" }), " ",
    element("button", "Snooze 1 h", { type: "button", "data-action": "snooze" }));
  return cell;
}

/** Say something to the alert of a row; what comes of it is shown to everybody who watches. */
async function act(action, item) {
  if (!can.includes(action)) { told.textContent = `To ${action} is not possible here: the page of alerts says why.`; return; }
  const who = item.name || item.contact_id;
  if (!item.alert_id) { told.textContent = `No alert fires for ${who} yet.`; return; }
  told.textContent = `${action === "snooze" ? "Snoozing" : "Acknowledging"} the alert of ${who} …`;
  try {
    const answer = await fetch(`/api/v1/alerts/${action}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ account: item.account, alert_id: item.alert_id }),
    });
    told.textContent = answer.ok ? `The alert of ${who} is ${action === "snooze" ? "snoozed" : "acknowledged"}.` : (await answer.json()).error;
  } catch {
    told.textContent = "The page does not answer: nothing was said.";
  }
}

function gap(rows) {
  const line = element("tr", "", { "aria-hidden": "true" });
  line.style.height = `${rows * ROW}px`;
  return line;
}

function draw() {
  if (pressed) return;
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
  const last = Math.min(order.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + BEYOND);
  const focused = document.activeElement?.closest?.("tr")?.dataset.key, action = document.activeElement?.dataset.action;
  const rows = order.slice(first, last).map(row);
  if (first) rows.unshift(gap(first));
  if (last < order.length) rows.push(gap(order.length - last));
  body.replaceChildren(...rows);
  const again = focused && body.querySelector(`tr[data-key="${CSS.escape(focused)}"]`);
  if (again) (again.querySelector(action ? `[data-action=${action}]` : "a") ?? again.querySelector("a"))?.focus();
}

function move(by) {
  const at = order.findIndex((item) => key(item) === selected);
  const to = Math.min(order.length - 1, Math.max(0, at + by));
  if (!order.length) return;
  selected = key(order[to]);
  const top = to * ROW;
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + 2 * ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * ROW - box.clientHeight;
  draw();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.preventDefault(); // or some browsers would empty the search
    return document.activeElement.blur();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const item = items.get(selected);
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "o" && item && safe(item.url)) window.open(item.url, "_blank", "noreferrer,noopener");
  else if (event.key === "Enter" && item && !/^(A|BUTTON)$/.test(event.target.tagName)) location.href = `/accounts/${encodeURIComponent(item.account)}`;
  else if (event.key === "e" && item) location.href = `/explain?${new URLSearchParams({ account: item.account, metric: "unanswered" })}`;
  else if (event.key === "?") location.href = "/help";
  else if (event.key === "a" && item) act("acknowledge", item);
  else if (event.key === "s" && item) act("snooze", item);
  else if (event.key === "/") { event.preventDefault(); words.focus(); words.select(); }
});
body.addEventListener("click", (event) => {
  const button = event.target.closest("button"), item = items.get(button?.closest("tr").dataset.key);
  if (!item) return;
  event.preventDefault();
  act(button.dataset.action, item);
});
addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = false; });
filters.addEventListener("submit", (event) => { event.preventDefault(); connect(); });
filters.addEventListener("change", connect);
let typing;
words.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(connect, 250); });
news.addEventListener("click", () => { arrived.clear(); box.scrollTop = 0; arrange(); });
box.addEventListener("scroll", () => requestAnimationFrame(draw));
addEventListener("resize", () => { measure(); draw(); });
setInterval(() => { freshen(); summarise(); draw(); }, 1000);
measure();
connect();
