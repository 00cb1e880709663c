"use strict";
// Shows what the API says, again every three seconds, and sends what a person says about it.

import { ask, byId, decimals, element, moment, percent, tableRow, whole, words } from "./dom.js";
import { addressOf, chosenUser, showUser } from "./user.js";

const EVERY_MS = 3000;
const seen = new Set();
const verdicts = new Map(); // what was said here, by insight: label, text of the answer, whether it is awaited
const LABELLED = ["anomaly", "prediction"];
const FILTERS = ["kind", "severity", "user_id"]; // ids of the inputs, and parameters of the API
let firstPage = true;

async function say(insight, label) {
  verdicts.set(insight.id, { label, text: "Sending", busy: true });
  const showing = part("insights", showInsights);
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"));
  const said = { insight_id: insight.id, user_id: insight.user_id, entity: insight.entity, label };
  try {
    const answer = await ask("/api/v1/labels", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": key.join("") },
      body: JSON.stringify(said),
    });
    const text = answer.insight ? answer.insight.summary : "Taken; the worker is behind and will answer later.";
    verdicts.set(insight.id, { label, text, busy: false });
  } catch (error) {
    verdicts.set(insight.id, { label: "", text: error instanceof TypeError ? "No answer." : error.message, busy: false });
  }
  await showing;
  await part("insights", showInsights);
}

function verdictButtons(insight) {
  const verdict = verdicts.get(insight.id) || { label: "", text: "", busy: false };
  const button = (label, text) => {
    const made = element("button", "", text);
    made.type = "button";
    made.disabled = verdict.busy;
    made.ariaPressed = String(verdict.label === label);
    made.addEventListener("click", () => say(insight, label));
    return made;
  };
  const buttons = [button("confirmed", "Right"), button("false_positive", "False alarm")];
  return element("p", "meta verdict", ...buttons, element("span", "", verdict.text));
}

function insightItem(insight) {
  const severity = ["low", "medium", "high"].includes(insight.severity) ? insight.severity : "info";
  const user = element("a", "", insight.user_id);
  user.href = addressOf(insight.entity, insight.user_id);
  const contributions = (insight.explanation.contributions || [])
    .filter((part) => Math.abs(part.contribution) >= 0.005)
    .slice(0, 3);
  const why = contributions
    .map((part) => `${words(part.feature)} ${part.contribution < 0 ? "−" : "+"}${Math.abs(part.contribution).toFixed(2)}`)
    .join(" · ");
  const confidence = typeof insight.confidence === "number" ? `confidence ${percent(insight.confidence)}` : null;
  const meta = element(
    "p",
    "meta",
    element("span", "kind", words(insight.kind)),
    element("span", `severity ${severity}`, severity),
    element("span", "", `${insight.entity} `, user),
    insight.label && element("span", "", words(insight.label)),
    confidence && element("span", "", confidence),
    element("time", "", moment(insight.at)),
  );
  const item = element("li", severity, element("p", "summary", insight.summary), meta);
  if (why) item.append(element("p", "meta why", `Why: ${why}`));
  if (LABELLED.includes(insight.kind)) item.append(verdictButtons(insight));
  if (!seen.has(insight.id) && !firstPage) item.classList.add("new");
  seen.add(insight.id);
  return item;
}

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
  const filtered = query.toString() !== "";
  query.set("limit", "40");
  const page = await ask(`/api/v1/insights?${query}`);
  if (seen.size > 5000) seen.clear();
  if (verdicts.size > 500) verdicts.clear();
  byId("insights").replaceChildren(...page.insights.map(insightItem));
  firstPage = false;
  if (page.insights.length) return "";
  return filtered ? "None like these." : "None yet. Insights appear here as events come in.";
}

function shareRow(name, share, count, steps) {
  const fill = element("div", "fill");
  fill.style.width = `${100 * share}%`;
  return element(
    "div",
    "row",
    element("span", "name", name ? words(name) : "no class"),
    element("span", "count", `${percent(share)} · ${whole.format(count)}`),
    element("div", "track", fill),
    steps ? element("span", "funnel", steps) : null,
  );
}

async function showSegments() {
  const report = await ask("/api/v1/segments");
  byId("segments").replaceChildren(...report.distribution.map((row) => shareRow(row.segment, row.share, row.count)));
  if (!report.distribution.length) return "Nobody yet. Shares appear here as events come in.";
  return `Users active from ${moment(report.since)} to ${moment(report.until)} UTC, by what they are now.`;
}

function funnelOf(row) {
  const steps = [["interests", row.total_views], ["intents", row.total_carts], ["conversions", row.total_purchases]];
  const counts = steps.filter(([, count]) => count).map(([step, count]) => `${whole.format(count)} ${step}`);
  return counts.join(" → ");
}

async function showVisits() {
  const report = await ask("/api/v1/segments/funnel");
  const visits = report.funnel.reduce((sum, row) => sum + row.total_sessions, 0);
  const rows = report.funnel.map((row) =>
    shareRow(row.behavior_segment, row.total_sessions / visits, row.total_sessions, funnelOf(row)),
  );
  byId("visits").replaceChildren(...rows);
  if (!rows.length) return "No visit has ended yet: one ends when its user has been silent for a while.";
  return `Visits that ended from ${moment(report.since)} to ${moment(report.until)}, by class.`;
}

// One row for each model: the API has one for each partition as well.
function byModel(reports) {
  const models = new Map();
  for (const report of reports) {
    const key = JSON.stringify([report.entity, report.outcome, report.model]);
    if (!models.has(key)) models.set(key, { parts: [], all: null });
    if (report.partition === null) models.get(key).all = report;
    else models.get(key).parts.push(report);
  }
  return [...models.values()].filter((model) => model.parts.length);
}

function modelRow({ parts, all }) {
  const first = parts[0];
  const recent = (all || first).quality.window || {};
  const name = first.outcome ? `${words(first.outcome)}: ${first.model}` : words(first.model);
  const role = first.outcome && !parts.some((part) => part.serves) ? `${name}, in its shadow` : name;
  const ready = parts.filter((part) => part.warm).length;
  const cells = [
    first.entity === "user" ? role : `${role} (${first.entity})`,
    whole.format(parts.reduce((sum, part) => sum + part.n_seen, 0)),
    ready === parts.length ? "ready" : ready ? `ready in ${ready} of ${parts.length}` : "warm-up",
    decimals(recent.roc_auc, 3),
    decimals(recent.log_loss, 3),
  ];
  return tableRow(...cells);
}

async function showModels() {
  const report = await ask("/api/v1/models");
  byId("pack").textContent = report.pack;
  byId("models").replaceChildren(...byModel(report.models).map(modelRow));
  const behind = report.lag.reduce((sum, lag) => sum + lag.events, 0);
  const lag = behind ? `${whole.format(behind)} events wait to be processed. ` : "Nothing waits to be processed. ";
  return report.models.length ? `${lag}Quality is over the last labels.` : "This worker has no partitions now.";
}

async function showStatus() {
  let ready = true;
  let text = "live";
  try {
    await ask("/health/ready");
  } catch (error) {
    ready = false;
    text = error instanceof TypeError ? "worker does not answer" : error.message;
  }
  byId("status").className = `status ${ready ? "good" : "bad"}`;
  byId("status-text").textContent = text;
}

async function part(name, show) {
  try {
    byId(`${name}-note`).textContent = await show();
  } catch (error) {
    byId(`${name}-note`).textContent = error instanceof TypeError ? "No answer; trying again." : error.message;
  }
}

async function refresh() {
  await Promise.all([
    showStatus(),
    part("user", showUser),
    part("insights", showInsights),
    part("segments", showSegments),
    part("visits", showVisits),
    part("models", showModels),
  ]);
}

async function run() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

for (const name of FILTERS) byId(name).addEventListener("change", () => (location.hash = filters()));
addEventListener("hashchange", () => {
  readAddress();
  part("user", showUser);
  part("insights", showInsights);
});
readAddress();
run();
