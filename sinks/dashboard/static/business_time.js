// How much business time is left of a target, by the calendars that the server knows. The server says it the same way.
import { duration } from "/static/shared.js";

const AGAIN = 60_000; // a calendar that the server does not know is asked for so often
let calendars = {};
const asked = new Map(); // by calendar: when
const unknown = new Set(); // that the server has not got

async function ask(calendar) {
  asked.set(calendar, performance.now());
  const answer = await fetch("/api/v1/calendars");
  if (!answer.ok) return;
  ({ calendars } = await answer.json());
  if (!calendars[calendar]) unknown.add(calendar);
}

/** Say how a turn stands to its target: in words, and what is to be known of them. */
export function left(item, now) {
  const over = item.due_at <= now, start = over ? item.due_at : now, end = over ? now : item.due_at;
  const shifts = calendars[item.calendar];
  if (item.calendar && !shifts && !(performance.now() - asked.get(item.calendar) < AGAIN)) ask(item.calendar).catch(() => {});
  let passes = end - start, closed = false, by = "";
  if (shifts) {
    passes = 0;
    for (const [opens, closes] of shifts) passes += Math.max(0, Math.min(closes, end) - Math.max(opens, start));
    closed = !shifts.some(([opens, closes]) => opens <= now && now < closes);
    by = `; business time of ${item.calendar}`;
  } else if (item.calendar && unknown.has(item.calendar)) by = `; clock time, for ${item.calendar} is not in rapport.toml`;
  return { words: `${duration(passes / 1000)} ${over ? "over" : "left"}${closed ? ", closed now" : ""}`, by };
}

await ask("").catch(() => {}); // before anything is said, so that nothing is said twice
