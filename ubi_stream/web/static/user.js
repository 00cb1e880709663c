"use strict";
// One user, chosen by the address: what is known about them, and what is usual for them.

import { ask, byId, decimals, element, moment, patch, percent, tableRow, whole, words } from "./dom.js";

const WINDOWS = { "5m": "5 minutes", "1h": "hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days" };
const PARTS = ["user-facts", "user-visits", "user-windows", "user-habits", "user-hours"];
const HABITS = { amount: "amount", gap_s: "seconds between events", latency_ms: "latency, ms" };

export const addressOf = (entity, id) => `#${new URLSearchParams({ user_id: id, entity })}`;

export function chosenUser() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const id = asked.get("user_id");
  return id ? { id, entity: asked.get("entity") || "user" } : null;
}

function fact(name, value) {
  return element("div", "row", element("span", "name", name), element("span", "count", value));
}

function riskInWords({ level, dimensions, others }) {
  const holding = [...others.map((one) => words(one.rule)), ...dimensions.filter((one) => one.holds).map((one) => one.name)];
  return holding.length ? `${words(level)}: ${holding.join(", ")}` : words(level);
}

function facts(profile) {
  const { segment, sessions, counters, latest_session: visit } = profile;
  return [
    segment && fact("segment", `${words(segment.name)} since ${moment(segment.since)}`),
    profile.risk && fact("risk", riskInWords(profile.risk)),
    visit && visit.visit_class && fact("this visit so far", words(visit.visit_class)),
    fact("first seen", moment(profile.first_seen)),
    fact("last seen", moment(profile.last_seen)),
    fact("events, conversions", `${whole.format(counters.events)}, ${whole.format(counters.conversions)}`),
    sessions &&
      fact("visits ended", `${whole.format(sessions.ended)}: ${sessions.converted} converted, ${sessions.bounces} bounced`),
    sessions && sessions.ended
      ? fact("mean visit", `${decimals(sessions.mean_events, 1)} events, ${decimals(sessions.mean_duration_s / 60, 1)} minutes`)
      : null,
  ].filter(Boolean);
}

function windowRow([name, counts]) {
  const types = Object.entries(counts.by_type).sort((one, other) => other[1] - one[1]);
  const most = types.slice(0, 3).map(([type, count]) => `${words(type)} ${whole.format(count)}`);
  return tableRow(WINDOWS[name] || name, whole.format(counts.events), decimals(counts.amount, 2), most.join(", "));
}

function habitRow([key, name], profile) {
  const habit = profile[key];
  if (!habit) return null;
  const usual = habit.mean === null ? "–" : `${decimals(habit.mean, 1)} ± ${decimals(habit.deviation, 1)}`;
  return tableRow(name, decimals(habit.newest, 1), usual, whole.format(habit.values));
}

function hourBars(counts) {
  const most = Math.max(1, ...counts);
  return counts.map((count, hour) => {
    const bar = element("div", "bar-of-hour");
    bar.style.height = `${(100 * count) / most}%`;
    bar.title = `${String(hour).padStart(2, "0")}:00: ${whole.format(count)}`;
    return bar;
  });
}

function inWords(answer) {
  if (answer.status !== "ready" || !answer.forecast) {
    return `No forecast yet: events on ${answer.active_days} days, ${answer.min_days} are needed.`;
  }
  const { target, days, total, interval, recent_total: before } = answer.forecast;
  const range = `${decimals(total.low, 1)} to ${decimals(total.high, 1)} with ${percent(interval)}`;
  return `${words(target)} in the next ${days.length} days: ${decimals(total.expected, 1)} (${range}); as many days before: ${decimals(before, 1)}.`;
}

function visitRow(visit) {
  return tableRow(
    moment(visit.session_end),
    visit.behavior_segment ? words(visit.behavior_segment) : "no class",
    whole.format(visit.total_events),
    decimals(visit.session_duration_minutes, 1),
    decimals(visit.total_amount, 2),
  );
}

async function visitsOf(user) {
  if (user.entity !== "user") return [];
  const query = new URLSearchParams({ user_id: user.id, limit: "5" });
  return ask(`/api/v1/visits?${query}`).then((page) => page.visits, () => []);
}

export async function showUser() {
  const user = chosenUser();
  byId("user-section").hidden = user === null;
  if (user === null) return "";
  const path = `/api/v1/users/${encodeURIComponent(user.id)}`;
  const query = `?entity=${encodeURIComponent(user.entity)}`;
  if (byId("user-json").getAttribute("href") !== path + query) {
    for (const part of PARTS) byId(part).replaceChildren(); // of another user
  }
  byId("user-title").textContent = `${words(user.entity)} ${user.id}`;
  byId("user-json").href = path + query;
  const [profile, forecast, visits] = await Promise.all([
    ask(path + query),
    ask(`${path}/forecast${query}`).catch(() => null),
    visitsOf(user),
  ]);
  patch(byId("user-facts"), ...facts(profile));
  patch(byId("user-visits"), ...visits.map(visitRow));
  byId("user-visits-table").hidden = !visits.length;
  patch(byId("user-windows"), ...Object.entries(profile.windows).map(windowRow));
  patch(byId("user-habits"), ...Object.entries(HABITS).map((habit) => habitRow(habit, profile)));
  patch(byId("user-hours"), ...hourBars(profile.hour_profile));
  return forecast ? inWords(forecast) : "";
}
