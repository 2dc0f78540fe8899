// An account's charts: five on one time axis with one cursor, each with what it is compared with as a grey line behind it.
import uPlot from "/static/uPlot.esm.js";
import { duration, element } from "/static/shared.js";

const place = document.getElementById("charts");
const loading = document.getElementById("loading");
const { account, range, compared } = place.dataset;
const BEFORE = Number(place.dataset.before);
const HEIGHT = 200;
const WINDOWS = { 60: "1m", 3600: "1h", 21600: "6h", 86400: "24h", 604800: "7d" }; // of a step, as /explain has it
const percent = (value) => value === null || value === undefined ? "·" : `${Math.round(value * 100)}%`;
const count = (value) => value === null || value === undefined ? "·" : value.toLocaleString("en");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const TIMES = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 1209600, 2419200]; // where an axis of times has its lines
const CHARTS = [
  { title: "Waiting now", say: count, lines: [["unanswered", "waiting"], ["breached", "past target"]] },
  { title: "Time to answer, unanswered included", say: duration, spaces: TIMES, lines: [["half_within", "half within"], ["ninety_within", "nine in ten within"]],
    band: ["half_within_high", "half_within_low", "half within: 95 % band"] },
  { title: "Answered in time", say: percent, lines: [["within_15m", "within 15 min"], ["within_1h", "within 1 h"]], top: 1 },
  { title: "Mentions and replies", say: count, lines: [["mentions", "mentions"], ["replies", "replies"]], words: true },
  { title: "Reply share", say: percent, lines: [["reply_share", "replies ÷ all we write"]], top: 1 },
];

async function asked(what, parameters) {
  const answer = await fetch(`/api/v1/accounts/${encodeURIComponent(account)}/${what}?${new URLSearchParams({ range, ...parameters })}`);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.json();
}

/** A time of a tick: the hour, and at midnight the day. */
function clock(time) {
  const said = new Date(time * 1000).toISOString();
  return said.slice(11, 16) === "00:00" ? said.slice(5, 10) : said.slice(11, 16);
}

const seconds = (row) => Date.parse(row.at) / 1000;
const STEPS = { 60: "a minute", 3600: "an hour", 21600: "six hours", 86400: "a day", 604800: "a week" };

/** Put two courses on one axis: that of now, and that of before moved to where it is compared. */
function aligned(now, before, names, first) {
  const earlier = new Map(before.map((row) => [seconds(row) + BEFORE, row]));
  const current = new Map(now.map((row) => [seconds(row), row]));
  const times = [...new Set([...current.keys(), ...earlier.keys()])].sort((a, b) => a - b);
  const values = (rows, name) => times.map((time) => rows.get(time)?.[name] ?? null);
  return [times, values(earlier, first), ...names.map((name) => values(current, name))];
}

// Spikes are marks on every axis, and on one of them their words.
const spikes = [...document.querySelectorAll("#spikes li")].map((line) => ({ line, began: Number(line.dataset.began), series: line.dataset.series, words: "" }));
const plots = [];

function mark(words) {
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--second");
    ctx.lineWidth = devicePixelRatio;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    const rows = [0, 1, 2, 3].map(() => []); // what is written in each already, from and to
    for (const spike of [...spikes].sort((a, b) => a.began - b.began)) {
      const x = plot.valToPos(spike.began, "x", true);
      if (!(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
      ctx.globalAlpha = 0.5;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      if (!words || !spike.words) continue;
      const wide = ctx.measureText(spike.words).width, from = x + wide + 8 <= bbox.left + bbox.width ? x + 4 : x - wide - 4;
      const row = rows.findIndex((taken) => taken.every(([start, end]) => from > end + 8 || from + wide + 8 < start));
      if (row < 0) continue;
      rows[row].push([from, from + wide]);
      ctx.fillText(spike.words, from, bbox.top + (14 + 14 * row) * devicePixelRatio);
    }
    ctx.restore();
  };
}

/** Say what spikes were about: beside each, and at its mark. */
async function tell() {
  if (!spikes.length) return;
  for (const told of (await asked("spikes")).spikes) {
    const spike = spikes.find(({ began, series }) => began * 1000 === Date.parse(told.began_at) && series === told.series);
    if (!spike || !told.terms.length) continue;
    spike.words = told.terms.slice(0, 2).map((term) => term.term).join(", ");
    spike.line.append(" · what stands out: ", told.terms.map((term) => term.term).join(", "));
    spike.line.title = told.terms.map((term) => `${term.term}: ${term.examples.map((post) => post.text).join(" | ")}`).join("\n");
  }
  for (const plot of plots) plot.redraw(false);
}

/** Go where a number is explained: that of the line nearest to where somebody clicks. */
function explains(plot, lines, step) {
  plot.over.addEventListener("click", () => {
    const { idx, top } = plot.cursor;
    if (idx === null || idx === undefined) return;
    const far = ([, , series]) => { const value = plot.data[series][idx]; return value === null ? Infinity : Math.abs(plot.valToPos(value, "y") - top); };
    const [nearest] = lines.toSorted((a, b) => far(a) - far(b));
    const window = WINDOWS[step], end = plot.data[0][idx] + step - (window === "1h" || window === "24h" ? 60 : 0); // the stream's are named by their last minute
    location.href = `/explain?${new URLSearchParams({ account, metric: nearest[0], window, at: new Date(end * 1000).toISOString().slice(0, 19) + "Z" })}`;
  });
}

function draw(chart, step, now, before) {
  const figure = element("figure"), caption = element("figcaption");
  const csv = element("button", "CSV", { type: "button", title: `${chart.title} as CSV` });
  const png = element("button", "PNG", { type: "button", title: `${chart.title} as a picture` });
  caption.append(element("b", chart.title), csv, png);
  figure.append(caption);
  place.append(figure);
  const names = [...chart.lines.map(([name]) => name), ...(chart.band ?? []).slice(0, 2)];
  const lines = chart.lines.map(([name, label], place) => [name, label, place + 2]);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const band = (label) => ({ label, stroke: "transparent", width: 0, points: { show: false }, spanGaps: false, value: (_, it) => chart.say(it) });
  const data = aligned(now, before, names, names[0]);
  const high = lines.length + 2;
  const plot = new uPlot({
    width: figure.clientWidth, height: HEIGHT, tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    cursor: { sync: { key: "account" }, drag: { x: false, y: false } },
    hooks: { draw: [mark(chart.words)] },
    scales: { y: { range: (_, low, top) => [0, chart.top ?? (Math.max(top, 1) || 1)] } },
    axes: [{ ...axis, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 70, ...(chart.spaces ? { incrs: chart.spaces } : {}), values: (_, ticks) => ticks.map(chart.say) }],
    bands: chart.band ? [{ series: [high, high + 1], fill: colour("--band") }] : [],
    series: [
      { label: "time", value: (_, it) => it === null ? "·" : new Date(it * 1000).toISOString().slice(5, 16).replace("T", " ") + " UTC" },
      { label: `${lines[0][1]}, ${compared}`, stroke: colour("--grey"), width: 1, points: { show: false }, value: (_, it) => chart.say(it) },
      ...lines.map(([, label], place) => ({
        label, stroke: colour(label === "past target" ? "--past" : place ? "--second" : "--accent"), width: 2 - place / 2, value: (_, it) => chart.say(it),
      })),
      ...(chart.band ? [band(`${chart.band[2]}, to`), band("from")] : []),
    ],
  }, data, figure);
  plots.push(plot);
  explains(plot, lines, step);
  new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: HEIGHT })).observe(figure);
  const save = (blob, kind) => {
    const link = element("a", "", { href: URL.createObjectURL(blob), download: `${account} ${chart.title} ${range}.${kind}` });
    link.click();
    URL.revokeObjectURL(link.href);
  };
  csv.addEventListener("click", () => {
    const head = ["time", ...plot.series.slice(1).map((series) => series.label)].map((it) => `"${it}"`);
    const rows = data[0].map((time, n) => [new Date(time * 1000).toISOString(), ...data.slice(1).map((column) => column[n] ?? "")]);
    save(new Blob([[head, ...rows].map((row) => row.join(",")).join("\n") + "\n"], { type: "text/csv" }), "csv");
  });
  png.addEventListener("click", () => picture(plot, chart.title).toBlob((blob) => save(blob, "png")));
}

/** The chart with its title on the page's ground, so that it can stand by itself. */
function picture(plot, title) {
  const drawn = plot.ctx.canvas, made = document.createElement("canvas"), head = 28 * devicePixelRatio;
  made.width = drawn.width;
  made.height = drawn.height + head;
  const ctx = made.getContext("2d");
  ctx.fillStyle = colour("--back");
  ctx.fillRect(0, 0, made.width, made.height);
  ctx.fillStyle = colour("--text");
  ctx.font = `${14 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.fillText(`${account} · ${title} · the last ${range}`, 10 * devicePixelRatio, 19 * devicePixelRatio);
  ctx.drawImage(drawn, 0, head);
  return made;
}

try {
  loading.hidden = false;
  const [now, before] = await Promise.all([asked("course"), asked("course", { before: true })]);
  loading.hidden = true;
  const known = now.rows.some((row) => row.mentions || row.replies || row.unanswered);
  if (!known) place.append(element("p", "Nothing was measured in this time."));
  else {
    place.append(element("p", `Each step is ${STEPS[now.step_seconds]}, and the last one goes on; grey: ${compared}. A click on a line says why it is so.`, { class: "note wide" }));
    for (const chart of CHARTS) draw(chart, now.step_seconds, now.rows, before.rows);
  }
} catch (error) {
  loading.hidden = true;
  place.append(element("p", `The charts cannot be drawn: ${error.message}`, { role: "alert" }));
}
tell().catch(() => {}); // the list of spikes stands, without their words
// A period is shown when it is chosen; an account is not, for keys go through a list one by one.
document.getElementById("choose").addEventListener("change", (event) => { if (event.target.name === "range") event.currentTarget.requestSubmit(); });
