"use strict";
// Shows what the API says, again every three seconds unless it is paused, and says so when nobody answers.

import { ask, byId, clock, noAnswer, patch, moment } from "./dom.js";
import { countInsights, showFigures, showSegments, showVisits } from "./figures.js";
import { distinct, forgetShown, insightItem, loadTitles, say } from "./insights.js";
import { showModels } from "./models.js";
import { whoLooks } from "./session.js";
import { chosenUser, showUser } from "./user.js";
import { showWorth, toggleAll } from "./worth.js";

const EVERY_MS = 3000;
const SLOW_ROUNDS = 5; // history changes slowly
const FILTERS = ["kind", "severity", "user_id"]; // ids of the inputs, and parameters of the API
const known = new Set(); // insights that the list has shown
let round = 0;
let fetched = null; // when all parts last had an answer
let paused = false;
let locked = true; // until it is known who looks
let wake = () => {};

// What the parts learn from each other: `asOf` is the time of the newest event that any of them knows of.
const seen = {
  asOf: 0,
  notice(time) {
    seen.asOf = Math.max(seen.asOf, time);
  },
};

// The filters stand in the address behind #, so that what one sees can be sent to somebody.
function filters() {
  const query = new URLSearchParams(FILTERS.map((name) => [name, byId(name).value.trim()]).filter(([, value]) => value));
  const user = chosenUser();
  if (user && user.id === query.get("user_id")) query.set("entity", user.entity);
  return query;
}

function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) byId(name).value = asked.get(name) || "";
}

async function showInsights() {
  const query = filters();
  const user = chosenUser();
  byId("worth-section").hidden = user !== null;
  byId("insights-title").textContent = user ? `Insights about ${user.id}, newest first` : "All insights, newest first";
  const filtered = query.toString() !== "";
  query.set("limit", "40");
  const page = await ask(`/api/v1/insights?${query}`);
  const items = distinct(page.insights).map((insight) => {
    const item = insightItem(insight, { closed: !user });
    if (known.size && !known.has(insight.id)) item.classList.add("new");
    return item;
  });
  if (known.size > 5000) known.clear();
  for (const { id } of page.insights) known.add(id);
  patch(byId("insights"), ...items);
  if (page.insights.length) return "";
  return filtered ? "None like these." : "None yet. Insights appear here as events come in.";
}

// Whether the worker answers; else a banner says since when not, and all that is shown is greyed.
async function showStatus() {
  let problem = "";
  let answers = true;
  try {
    await ask("/health/ready");
  } catch (error) {
    answers = !noAnswer(error);
    problem = answers ? error.message : "The worker does not answer";
  }
  const age = fetched ? ` What you see is from ${clock(fetched)}.` : "";
  byId("gone-text").textContent = problem ? `${problem}.${age} Trying again every ${EVERY_MS / 1000} seconds.` : "";
  byId("gone").hidden = !problem;
  document.body.classList.toggle("stale", problem !== "");
  showState(problem ? "bad" : "good", problem ? (answers ? "not ready" : "no answer") : "live");
  if (problem) round = 0; // once it is back, all is asked for again
  return { answers, ready: !problem };
}

function showState(state, text) {
  byId("status").className = `status ${state}`;
  byId("status-text").textContent = text;
}

async function part(name, show) {
  if (locked) return false;
  try {
    byId(`${name}-note`).textContent = await show();
    return true;
  } catch (error) {
    locked ||= error.status === 401; // the session is over
    byId(`${name}-note`).textContent = noAnswer(error) ? "No answer; trying again." : error.message;
    return false;
  }
}

async function refresh() {
  const { answers, ready } = await showStatus();
  if (!answers) return;
  const parts = [part("user", showUser), part("insights", showInsights), part("models", () => showModels(seen))];
  const slow = round % SLOW_ROUNDS === 0;
  if (slow) parts.push(part("segments", () => showSegments(seen)), part("visits", () => showVisits(seen)));
  const first = await Promise.all([loadTitles().then(() => true, () => false), ...parts]);
  const rest = [await part("worth", () => showWorth(seen.asOf))];
  if (slow) rest.push(await part("figures", () => countInsights(seen)));
  rest.push(await part("figures", () => showFigures(seen)));
  if (ready) round += 1;
  if ([...first, ...rest].every(Boolean)) fetched = Date.now();
  showAsOf();
}

function showAsOf() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const newest = seen.asOf ? `Newest event ${moment(seen.asOf)}` : "No event yet";
  byId("as-of").textContent = fetched ? `${newest} · fetched ${clock(fetched)} (${zone})` : "";
}

async function run() {
  for (;;) {
    if (locked) await whoLooks();
    locked = false;
    if (!paused && !document.hidden) await refresh();
    if (paused) showState("", "paused");
    await new Promise((done) => {
      wake = done;
      setTimeout(done, EVERY_MS);
    });
  }
}

function pause() {
  paused = !paused;
  byId("pause").ariaPressed = String(paused);
  if (paused) showState("", "paused");
  wake();
}

const showBoth = () => Promise.all([part("insights", showInsights), part("worth", () => showWorth(seen.asOf))]);

function clicked({ target }) {
  const button = target.closest("[data-label]");
  if (button) say(button.dataset.insight, button.dataset.label, showBoth);
  if (target.closest("[data-jump]")) byId("insights-title").focus(); // which scrolls there
}

for (const name of FILTERS) byId(name).addEventListener("change", () => (location.hash = filters()));
addEventListener("hashchange", () => {
  forgetShown();
  readAddress();
  part("user", showUser);
  part("insights", showInsights);
});
document.addEventListener("click", clicked);
document.addEventListener("visibilitychange", () => wake());
byId("pause").addEventListener("click", pause);
byId("worth-all").addEventListener("click", () => {
  toggleAll();
  part("worth", () => showWorth(seen.asOf));
});
readAddress();
run();
