// An account's charts: five on one time axis with one cursor, each with the same hours of last week behind it.
import uPlot from "/static/uPlot.esm.js";
import { duration, element } from "/static/shared.js";

const place = document.getElementById("charts");
const { account, window: span, range } = place.dataset;
const percent = (value) => value === null || value === undefined ? "·" : `${Math.round(value * 100)} %`;
const count = (value) => value === null || value === undefined ? "·" : value.toLocaleString("en");
const CHARTS = [
  { title: "Waiting now", say: count, lines: [["unanswered", "waiting"], ["breached", "past target"]] },
  { title: "Time to answer", say: duration, lines: [["response_p50", "median"], ["response_p90", "90 % within"]] },
  { title: "Answered in time", say: percent, lines: [["within_15m", "within 15 min"], ["within_1h", "within 1 h"]], top: 1 },
  { title: "Mentions and replies", say: count, lines: [["mentions", "mentions"], ["replies", "replies"]] },
  { title: "Reply share", say: percent, lines: [["reply_share", "replies ÷ all we write"]], top: 1 },
];
const WEEK = 7 * 86400;

async function course(weeks) {
  const asked = new URLSearchParams({ window: span, range, weeks_ago: weeks });
  const response = await fetch(`/api/v1/accounts/${encodeURIComponent(account)}/metrics?${asked}`);
  if (!response.ok) throw new Error((await response.json()).error);
  return (await response.json()).rows;
}

/** A time of a tick: the hour, and at midnight the day. */
function clock(time) {
  const said = new Date(time * 1000).toISOString();
  return said.slice(11, 16) === "00:00" ? said.slice(5, 10) : said.slice(11, 16);
}

const seconds = (row) => Date.parse(row.as_of) / 1000;

/** Put two courses on one axis: this week's, and last week's moved by a week. */
function aligned(now, before, lines) {
  const earlier = new Map(before.map((row) => [seconds(row) + WEEK, row]));
  const current = new Map(now.map((row) => [seconds(row), row]));
  const times = [...new Set([...current.keys(), ...earlier.keys()])].sort((a, b) => a - b);
  const values = (rows, name) => times.map((time) => rows.get(time)?.[name] ?? undefined);
  return [times, values(earlier, lines[0][0]), ...lines.map(([name]) => values(current, name))];
}

const marks = [...document.querySelectorAll("#spikes li")];

/** Draw a line where a spike began. */
function mark(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--second");
  for (const { dataset } of marks) {
    const x = plot.valToPos(Number(dataset.began), "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** Say what spikes were about, beside each. */
async function tell() {
  if (!marks.length) return;
  const response = await fetch(`/api/v1/accounts/${encodeURIComponent(account)}/spikes?range=${range}`);
  if (!response.ok) return;
  for (const spike of (await response.json()).spikes) {
    const line = marks.find(({ dataset }) => Number(dataset.began) * 1000 === Date.parse(spike.began_at) && dataset.series === spike.series);
    if (!line || !spike.terms.length) continue;
    line.append(" · what stands out: ", spike.terms.map((term) => term.term).join(", "));
    line.title = spike.terms.map((term) => `${term.term}: ${term.examples.map((post) => post.text).join(" | ")}`).join("\n");
  }
}

function draw(chart, now, before) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const figure = element("figure"), caption = element("figcaption");
  caption.append(element("b", chart.title));
  const data = aligned(now, before, chart.lines);
  const csv = element("button", "CSV", { type: "button", title: `${chart.title} as CSV` });
  const png = element("button", "PNG", { type: "button", title: `${chart.title} as a picture` });
  caption.append(csv, png);
  figure.append(caption);
  place.append(figure);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 } };
  const options = {
    width: figure.clientWidth, height: 200, tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    cursor: { sync: { key: "account" } },
    hooks: { draw: [mark] },
    scales: { y: { range: (_, low, high) => [0, chart.top ?? (Math.max(high, 1) || 1)] } },
    axes: [{ ...axis, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 70, values: (_, ticks) => ticks.map(chart.say) }],
    series: [
      { label: "time", value: (_, it) => it === null ? "·" : new Date(it * 1000).toISOString().slice(5, 16).replace("T", " ") + " UTC" },
      { label: `${chart.lines[0][1]}, a week ago`, stroke: colour("--quiet"), width: 1, dash: [3, 3], spanGaps: true, value: (_, it) => chart.say(it) },
      ...chart.lines.map(([, label], place) => ({
        label, stroke: colour(label === "past target" ? "--past" : place ? "--second" : "--accent"), width: 2 - place / 2, spanGaps: true, value: (_, it) => chart.say(it),
      })),
    ],
  };
  const plot = new uPlot(options, data, figure);
  new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: 200 })).observe(figure);
  const save = (blob, kind) => {
    const link = element("a", "", { href: URL.createObjectURL(blob), download: `${account} ${chart.title}.${kind}` });
    link.click();
    URL.revokeObjectURL(link.href);
  };
  csv.addEventListener("click", () => {
    const head = ["time", ...plot.series.slice(1).map((series) => series.label)];
    const lines = data[0].map((time, n) => [new Date(time * 1000).toISOString(), ...data.slice(1).map((column) => column[n] ?? "")]);
    save(new Blob([[head, ...lines].map((line) => line.join(",")).join("\n") + "\n"], { type: "text/csv" }), "csv");
  });
  png.addEventListener("click", () => plot.ctx.canvas.toBlob((blob) => save(blob, "png")));
}

try {
  const [now, before] = await Promise.all([course(0), course(1)]);
  if (!now.length) place.append(element("p", "Nothing was measured in this time."));
  else for (const chart of CHARTS) draw(chart, now, before);
} catch (error) {
  place.append(element("p", `The charts cannot be drawn: ${error.message}`, { role: "alert" }));
}
tell();
document.getElementById("choose").addEventListener("change", (event) => event.currentTarget.requestSubmit());
