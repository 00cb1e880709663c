"use strict";
// One insight: its sentence, what it rests on, what could be done, and what a person says about it.

import { ask, clock, element, marked, moment, noAnswer, percent, words } from "./dom.js";
import { addressOf } from "./user.js";

export const SEVERITIES = ["high", "medium", "low", "info"]; // the first to look at first
const LABELLED = ["anomaly", "prediction"];
const LARGER = { ms: [1000, "seconds", 1000], seconds: [120, "minutes", 60], minutes: [120, "hours", 60], hours: [48, "days", 24] };
const SPOKEN = new Set(["ms", "seconds", "minutes", "hours", "days", "deviations", "bits", "times"]);
const LIMITS = { ">": "more than", ">=": "at least", "<": "less than", "<=": "at most", "==": "exactly", "!=": "not" };
const titles = new Map(); // what sentences call the features
const verdicts = new Map(); // what was said here, by insight: label, text of the answer, whether it is awaited
const shown = new Map(); // insights on the page, by id

export async function loadTitles() {
  if (titles.size) return;
  for (const { name, title } of (await ask("/api/v1/features")).features) titles.set(name, title);
}

const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

// A value in the unit that a person would choose, as the sentences have it.
export function inWords(value, unit) {
  if (unit === "0 or 1" && (value === 0 || value === 1)) return value ? "yes" : "no";
  if (unit === "share" || unit === "0 or 1") return `${short(100 * value)} %`;
  if (unit === "hour of day") {
    const minutes = Math.round(60 * value);
    return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
  }
  let [number, name] = [value, unit];
  if (name === "minutes" && number && Math.abs(number) < 1) [number, name] = [60 * number, "seconds"];
  while (LARGER[name] && Math.abs(number) >= LARGER[name][0]) [number, name] = [number / LARGER[name][2], LARGER[name][1]];
  return SPOKEN.has(name) ? `${short(number)} ${name}` : short(number);
}

const limitInWords = ({ op, bound, unit }) => `${LIMITS[op] || op} ${inWords(bound, unit)}`;

function boundInWords({ bound, unit, bound_is: kind }, conditions) {
  if (kind === "own_usual") return `usually ${inWords(bound, unit)}`;
  if (kind === "peers") return `others ${inWords(bound, unit)}`;
  return `the rule: ${conditions.map(limitInWords).join(" and ")}`;
}

// Conditions on one value are one line: "time of day: 02:01 (the rule: at least 00:00 and less than 05:00)".
function claimsInWords(claims) {
  const lines = new Map();
  for (const claim of claims) {
    const key = JSON.stringify([claim.feature, claim.value, claim.bound_is]);
    lines.set(key, [...(lines.get(key) || []), claim]);
  }
  return [...lines.values()].map(claimInWords);
}

function claimInWords(conditions) {
  const claim = conditions[0];
  const name = titles.get(claim.feature) || words(claim.feature);
  if (claim.value === null) return `${name}: none yet (${boundInWords(claim, conditions)})`;
  const value = inWords(claim.value, claim.unit);
  if (claim.unit === "entities" && claim.bound_is === "peers") return `${name}: ${value} of ${inWords(claim.bound, claim.unit)}`;
  const stated = (claim.op === "==" && claim.value === claim.bound) || (claim.bound_is !== "threshold" && claim.bound === 0);
  return stated ? `${name}: ${value}` : `${name}: ${value} (${boundInWords(claim, conditions)})`;
}

// Claims; of an insight that has none, what contributed most to its score.
function reasons({ evidence, explanation }) {
  const claims = (evidence.claims || []).filter(({ feature }) => feature !== "since"); // the sentence has it, with its zone
  if (claims.length) return claimsInWords(claims);
  return (explanation.contributions || [])
    .filter((part) => Math.abs(part.contribution) >= 0.005)
    .slice(0, 3)
    .map((part) => `${titles.get(part.feature) || words(part.feature)}: ${part.contribution < 0 ? "lowers" : "raises"} the score`);
}

function confidenceInWords({ confidence, evidence }) {
  const known = evidence.confidence_status;
  if (typeof confidence === "number") return `confidence ${percent(confidence)}`;
  if (!known) return null;
  if (known.status === "warming_up") return `confidence not known yet: ${known.n} of ${known.of} cases seen`;
  return known.status === "by_definition" ? "certain: a fact by definition" : `confidence: ${words(known.status)}`;
}

function verdictButtons(insight) {
  const verdict = verdicts.get(insight.id) || { label: "", text: "", busy: false };
  const button = (label, text) => {
    const made = marked(element("button", "", text), { label, insight: insight.id });
    made.type = "button";
    made.ariaDisabled = String(verdict.busy);
    made.ariaPressed = String(verdict.label === label);
    return made;
  };
  const answer = element("span", "", verdict.text);
  answer.role = "status";
  return element("p", "meta verdict", button("confirmed", "Right"), button("false_positive", "False alarm"), answer);
}

const isLabelled = (insight) => LABELLED.includes(insight.kind) && insight.entity !== "population";

function about(insight) {
  if (insight.entity === "population") return element("span", "", "everybody");
  const user = element("a", "", insight.user_id);
  user.href = addressOf(insight.entity, insight.user_id);
  return element("span", "", `${insight.entity} `, user);
}

function reasonList(insight, closed) {
  const found = reasons(insight);
  if (!found.length) return null;
  const list = element("ul", "claims", ...found.map((text) => element("li", "", text)));
  return closed ? element("details", "", element("summary", "", "Why"), list) : list;
}

export function insightItem(insight, { grouped = false, closed = false, over = null } = {}) {
  shown.set(insight.id, insight);
  const severity = SEVERITIES.includes(insight.severity) ? insight.severity : "info";
  const confidence = confidenceInWords(insight);
  const actions = (insight.evidence.recommendations || []).map(({ text }) => text);
  const item = element(
    "li",
    severity,
    element("p", "summary", insight.summary),
    element(
      "p",
      "meta",
      element("span", `severity ${severity}`, severity),
      element("span", "kind", words(insight.kind)),
      grouped ? null : about(insight),
      insight.label && element("span", "", words(insight.label)),
      element("time", "", moment(insight.at)),
      confidence && element("span", "", confidence),
      over && element("span", "kind", `over since ${clock(over)}`),
    ),
    reasonList(insight, closed),
    actions.length ? element("p", "todo", element("b", "", "What could be done: "), actions.join("; ")) : null,
    isLabelled(insight) ? verdictButtons(insight) : null,
  );
  return marked(item, { key: insight.id });
}

// Sends what a person says about an insight; `show` shows it where the insight stands.
export async function say(id, label, show) {
  const insight = shown.get(id);
  if (!insight || (verdicts.get(id) || {}).busy) return;
  if (verdicts.size > 500) verdicts.clear();
  verdicts.set(id, { label, text: "Sending", busy: true });
  await show();
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"));
  const said = { insight_id: id, user_id: insight.user_id, entity: insight.entity, label };
  try {
    const answer = await ask("/api/v1/labels", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": key.join("") },
      body: JSON.stringify(said),
    });
    const text = answer.insight ? answer.insight.summary : "Taken; the worker is behind and will answer later.";
    verdicts.set(id, { label, text, busy: false });
  } catch (error) {
    verdicts.set(id, { label: "", text: noAnswer(error) ? "No answer." : error.message, busy: false });
  }
  await show();
}

// The API has a row for each partition that saw an incident, all with one id: the newest stands for all.
export function distinct(insights) {
  const newest = new Map();
  for (const insight of insights) {
    const known = newest.get(insight.id);
    if (!known || known.at < insight.at) newest.set(insight.id, insight);
  }
  return [...newest.values()];
}

export function forgetShown() {
  if (shown.size > 5000) shown.clear();
}
