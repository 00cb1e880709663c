"use strict";
// Shows what the API says, again every three seconds, and sends what a person says about it. Text is only ever set as
// text, so nothing that a user or a producer wrote can become markup.

const EVERY_MS = 3000;
const byId = (id) => document.getElementById(id);
const seen = new Set();
const verdicts = new Map(); // what was said here, by insight: label, text of the answer, whether it is awaited
const LABELLED = ["anomaly", "prediction"];
let firstPage = true;

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined).map(asNode));
  return made;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

const words = (name) => String(name).replaceAll("_", " ");
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const decimals = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");
const whole = new Intl.NumberFormat("en");
const moment = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  const document_ = await answer.json();
  if (!answer.ok) throw new Error(document_.detail || answer.statusText);
  return document_;
}

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
  user.href = `/api/v1/users/${encodeURIComponent(insight.user_id)}?entity=${encodeURIComponent(insight.entity)}`;
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

async function showInsights() {
  const query = new URLSearchParams({ limit: "40" });
  for (const name of ["kind", "severity"]) if (byId(name).value) query.set(name, byId(name).value);
  const page = await ask(`/api/v1/insights?${query}`);
  if (seen.size > 5000) seen.clear();
  if (verdicts.size > 500) verdicts.clear();
  byId("insights").replaceChildren(...page.insights.map(insightItem));
  firstPage = false;
  return page.insights.length ? "" : "None yet. Insights appear here as events come in.";
}

function segmentRow(share, funnel) {
  const fill = element("div", "fill");
  fill.style.width = `${100 * share.share}%`;
  const steps = ["visit", "interest", "intent", "conversion"]
    .map((step) => [step, funnel.get(`${share.segment}/${step}`)])
    .filter(([, count]) => count)
    .map(([step, count]) => `${step} ${whole.format(count)}`);
  return element(
    "div",
    "row",
    element("span", "name", words(share.segment)),
    element("span", "count", `${percent(share.share)} · ${whole.format(share.count)}`),
    element("div", "track", fill),
    steps.length ? element("span", "funnel", steps.join(" → ")) : null,
  );
}

async function showSegments() {
  const report = await ask("/api/v1/segments");
  const funnel = new Map(report.funnel.map((step) => [`${step.segment}/${step.step}`, step.count]));
  byId("segments").replaceChildren(...report.distribution.map((share) => segmentRow(share, funnel)));
  if (!report.distribution.length) return "No closed five minutes yet.";
  return `Active users per five minutes, ${moment(report.since)} to ${moment(report.until)}. Below: what visits came to.`;
}

function modelRow(report) {
  const recent = report.quality.window || {};
  const name = report.outcome ? `${report.outcome.replaceAll("_", " ")}: ${report.model}` : report.model;
  const role = report.outcome && !report.serves ? `${name}, in its shadow` : name;
  const cells = [
    report.entity === "user" ? role : `${role} (${report.entity})`,
    report.partition === null ? "all" : report.partition,
    whole.format(report.n_seen),
    report.warm ? "ready" : "warm-up",
    decimals(recent.roc_auc, 3),
    decimals(recent.log_loss, 3),
  ];
  return element("tr", "", ...cells.map((cell) => element("td", "", cell)));
}

async function showModels() {
  const report = await ask("/api/v1/models");
  byId("pack").textContent = report.pack;
  byId("models").replaceChildren(...report.models.map(modelRow));
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
    part("insights", showInsights),
    part("segments", showSegments),
    part("models", showModels),
  ]);
}

async function run() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

for (const name of ["kind", "severity"]) byId(name).addEventListener("change", () => part("insights", showInsights));
run();
