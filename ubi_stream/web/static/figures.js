"use strict";
// Figures with small charts, and shares of segments and of visit classes over time.

import { axis, bars, colourOf, line, shareRow } from "./charts.js";
import { ask, byId, element, marked, moment, patch, whole, words } from "./dom.js";
import { SEVERITIES } from "./insights.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const FEW_HOURS = 3; // with fewer of them, five minutes say more
const SAMPLES = 60;
const ACCEPTED = /^ubi_events_total\{[^}]*outcome="accepted"[^}]*\} (\S+)$/gm;
const samples = []; // events this worker has accepted, and when it said so

const sum = (rows, count = (row) => row.count) => rows.reduce((total, row) => total + count(row), 0);
const SEVERITY_ORDER = SEVERITIES.map((name) => ({ name, colour: `severity-${name}`, title: name }));

async function eventRates() {
  const text = await (await fetch("/metrics")).text();
  const total = [...text.matchAll(ACCEPTED)].reduce((events, [, count]) => events + Number(count), 0);
  if (samples.length && total < samples.at(-1).total) samples.length = 0; // the worker started again
  samples.push({ at: performance.now(), total });
  if (samples.length > SAMPLES) samples.shift();
  return samples.slice(1).map(({ at, total: now }, n) => (1000 * (now - samples[n].total)) / (at - samples[n].at));
}

function tile(key, name, value, detail, chart) {
  const parts = [element("dt", "", name), element("dd", "", element("b", "", value), " ", element("span", "", detail), chart)];
  return marked(element("div", "tile", ...parts), { key });
}

const rate = (value) => (value === undefined ? "–" : value >= 10 || value === 0 ? whole.format(Math.round(value)) : value.toFixed(1));

function insightTiles({ day, hour, asOf }) {
  const counted = (rows, names) => sum(rows.filter((row) => names.includes(row.name)));
  const [high, medium] = [counted(day, ["high"]), counted(day, ["medium"])];
  const dayBars = { since: asOf - DAY, until: asOf + 1, width: HOUR, order: SEVERITY_ORDER.slice(0, 2), label: "High and medium insights by hour, 24 hours" };
  const hourBars = { since: asOf - HOUR, until: asOf + 1, width: MINUTE, order: SEVERITY_ORDER, label: "Insights by minute and severity, one hour" };
  const inHour = SEVERITIES.map((name) => [counted(hour, [name]), name]).filter(([count]) => count);
  return [
    tile("worth", "Worth a look, 24 hours", whole.format(high + medium), `${high} high, ${medium} medium`, bars(day, dayBars)),
    tile("minute", "Insights, last hour", whole.format(sum(hour)), inHour.map(([count, name]) => `${count} ${name}`).join(", "), bars(hour, hourBars)),
  ];
}

function overTime(key, name, value, detail, { rows, span, width, each }, asOf) {
  const order = [{ name: "", colour: "plain", title: "" }];
  const all = rows.map(({ start, count }) => ({ start, name: "", count }));
  return tile(key, name, value, detail, bars(all, { since: asOf - span, until: asOf + 1, width, order, label: `${name}, by ${each}` }));
}

export async function showFigures(seen) {
  const rates = await eventRates();
  const now = rates.at(-1);
  const lag = seen.lag === undefined ? "" : seen.lag ? `${whole.format(seen.lag)} wait` : "none waits";
  const tiles = [tile("rate", "Events a second, this worker", rate(now), lag, line(rates, "Events a second, since this page was opened"))];
  if (seen.history && seen.asOf) {
    const { history, visits, revenue, asOf } = seen;
    const newest = Math.max(0, ...history.hours.map(({ start }) => start));
    const active = sum(history.hours.filter(({ start }) => start === newest));
    if (seen.insights) tiles.push(...insightTiles({ ...seen.insights, asOf }));
    tiles.push(overTime("active", "Active users, newest hour", whole.format(active), "", history, asOf));
    if (visits) tiles.push(overTime("visits", "Visits ended, 24 hours", whole.format(sum(visits.hours)), revenue ? `${whole.format(Math.round(revenue))} spent` : "", visits, asOf));
  }
  patch(byId("figures"), ...tiles);
  return "";
}

// How many of each severity came, by the hour for a day and by the minute for an hour, up to the newest event.
export async function countInsights(seen) {
  if (!seen.asOf) return "";
  const span = (length, bucket) => new URLSearchParams({ since: new Date(seen.asOf - length).toISOString(), until: new Date(seen.asOf + 1).toISOString(), bucket });
  const [day, hour] = await Promise.all([span(DAY, "1h"), span(HOUR, "1m")].map((query) => ask(`/api/v1/insights/counts?${query}`)));
  const rows = ({ counts }) => counts.map((row) => ({ start: Date.parse(row.window_start), name: row.severity, count: row.count }));
  seen.insights = { day: rows(day), hour: rows(hour) };
  for (const name of ["low", "info"]) {
    byId(`count-${name}`).textContent = `${whole.format(sum(seen.insights.day.filter((row) => row.name === name)))} ${name}`;
  }
  return "";
}

// What was counted over the newest day, by the hour; where that is a start alone, over two hours by five minutes.
async function overDay(path, list, named) {
  const asRows = (report) => report[list].map((row) => ({ start: Date.parse(row.window_start), ...named(row) }));
  const report = await ask(path);
  const hours = asRows(report);
  const until = Date.parse(report.until);
  if (!hours.length || new Set(hours.map(({ start }) => start)).size >= FEW_HOURS) {
    return { hours, rows: hours, until, span: DAY, width: HOUR, each: "hour" };
  }
  const width = 5 * MINUTE;
  const query = new URLSearchParams({ bucket: "5m", since: new Date(until - 3 * HOUR).toISOString(), until: report.until });
  const rows = asRows(await ask(`${path}?${query}`));
  const newest = Math.max(...rows.map(({ start }) => start)); // the hour that is still open may have hardly begun
  return { hours, rows, until: rows.length ? newest + width : until, span: 2 * HOUR, width, each: "five minutes" };
}

function stacked(family, { rows, until, span, width, each }, name) {
  const names = [...new Set(rows.map((row) => row.name))];
  const colour = colourOf(family, names);
  const order = names.sort().map((name) => ({ name, colour: colour(name), title: name ? words(name) : "no class" }));
  const label = `Shares of ${name}, by ${each}`;
  return [bars(rows, { since: until - span, until, width, order, label, shares: true }), axis(until - span, until)];
}

export async function showSegments(seen) {
  const [now, pane, newest] = await Promise.all(
    ["segments", "segments?bucket=5m", "insights/counts?bucket=1d"].map((rest) => ask(`/api/v1/${rest}`)),
  );
  const past = await overDay("/api/v1/segments/history", "history", ({ segment, count }) => ({ name: segment, count }));
  const { rows } = past;
  const colour = colourOf("segment", [...rows.map((row) => row.name), ...now.distribution.map((row) => row.segment)]);
  seen.history = past;
  if (pane.since) seen.notice(Date.parse(pane.since));
  if (newest.until) seen.notice(Date.parse(newest.until) - 1);
  patch(byId("segments"), ...now.distribution.map((row) => shareRow(row.segment, row.share, row.count, colour(row.segment))));
  if (!now.distribution.length) return "Nobody yet. Shares appear here as events come in.";
  patch(byId("segments-chart"), ...stacked("segment", past, "segments among active users"));
  return `Above: users active from ${moment(now.since)} on, by what they are now. Below: users active in each ${past.each}.`;
}

function funnelOf(row) {
  const steps = [["interests", row.total_views], ["intents", row.total_carts], ["conversions", row.total_purchases]];
  return steps.filter(([, count]) => count).map(([step, count]) => `${whole.format(count)} ${step}`).join(" → ");
}

export async function showVisits(seen) {
  const named = (row) => ({ name: row.behavior_segment || "", count: row.session_count });
  const report = await ask("/api/v1/segments/funnel");
  const past = await overDay("/api/v1/segments/distribution", "distribution", named);
  const { rows } = past;
  const colour = colourOf("visit", [...rows.map((row) => row.name), ...report.funnel.map((row) => row.behavior_segment || "")]);
  const visits = sum(report.funnel, (row) => row.total_sessions);
  seen.visits = past;
  seen.revenue = sum(report.funnel, (row) => row.total_revenue);
  if (report.until) seen.notice(Date.parse(report.until) - 1);
  patch(
    byId("visits"),
    ...report.funnel.map((row) =>
      shareRow(row.behavior_segment, row.total_sessions / visits, row.total_sessions, colour(row.behavior_segment || ""), funnelOf(row)),
    ),
  );
  if (!report.funnel.length) return "No visit has ended yet: one ends when its user has been silent for a while.";
  patch(byId("visits-chart"), ...stacked("visit", past, "visit classes"));
  return `Visits that ended from ${moment(report.since)} to ${moment(report.until)}; below by ${past.each}.`;
}
