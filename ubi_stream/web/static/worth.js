"use strict";
// What is worth a look first: insights of high and medium severity, ranked, together by whom they are about.

import { ask, byId, element, marked, patch, whole, words } from "./dom.js";
import { distinct, insightItem, SEVERITIES } from "./insights.js";
import { addressOf } from "./user.js";

const WEEK_MS = 7 * 86_400_000; // medium is worth a look this week
const AT_ONCE = 10;
const OF_EACH = 2;
const EVERYBODY = "population";
let all = false;

const rank = (insight) => SEVERITIES.indexOf(insight.severity);
const before = (one, other) => rank(one) - rank(other) || (one.at < other.at ? 1 : one.at > other.at ? -1 : 0);

// Groups of insights, the first to look at first: what concerns everybody, then users by their worst and newest.
export function grouped(insights) {
  const groups = new Map();
  for (const insight of distinct(insights).sort(before)) {
    const key = insight.entity === EVERYBODY ? EVERYBODY : JSON.stringify([insight.entity, insight.user_id]);
    if (!groups.has(key)) groups.set(key, { key, insights: [] });
    groups.get(key).insights.push(insight);
  }
  const everybody = ({ key }) => (key === EVERYBODY ? 0 : 1);
  return [...groups.values()].sort((one, other) => everybody(one) - everybody(other) || before(one.insights[0], other.insights[0]));
}

// When an incident ended: its end is an insight of its own, of the same name with `_over`. `ends` are the newest first.
function endOf(insight, ends) {
  const end = ends.findLast(({ entity, label, at }) => entity === insight.entity && label === `${insight.label}_over` && at >= insight.at);
  return end ? end.at : null;
}

function title(insight) {
  if (insight.entity === EVERYBODY) return element("h3", "", "Everybody");
  const user = element("a", "", insight.user_id);
  user.href = addressOf(insight.entity, insight.user_id);
  return element("h3", "", `${words(insight.entity)} `, user);
}

function groupItem({ key, insights }, ends) {
  const item = (insight) => insightItem(insight, { grouped: true, over: endOf(insight, ends) });
  const rest = insights.slice(OF_EACH);
  const more = element("summary", "", `${whole.format(rest.length)} more`);
  return marked(
    element(
      "li",
      "group",
      title(insights[0]),
      element("ol", "", ...insights.slice(0, OF_EACH).map(item)),
      rest.length ? element("details", "", more, element("ol", "", ...rest.map(item))) : null,
    ),
    { key },
  );
}

export function toggleAll() {
  all = !all;
}

export async function showWorth(asOf) {
  const query = new URLSearchParams({ limit: "200" });
  if (asOf) query.set("since", new Date(asOf - WEEK_MS).toISOString());
  const [high, medium, ends] = await Promise.all(
    ["severity=high", "severity=medium", `entity=${EVERYBODY}`].map((filter) => ask(`/api/v1/insights?${query}&${filter}`)),
  );
  const groups = grouped([...high.insights, ...medium.insights]);
  patch(byId("worth"), ...groups.slice(0, all ? groups.length : AT_ONCE).map((group) => groupItem(group, ends.insights)));
  const button = byId("worth-all");
  button.hidden = groups.length <= AT_ONCE;
  button.textContent = all ? `Show the first ${AT_ONCE}` : `Show all ${whole.format(groups.length)}`;
  button.ariaExpanded = String(all);
  if (!groups.length) return "Nothing of high or medium severity in the last seven days. That is how it should be on most days.";
  const cut = high.next_cursor || medium.next_cursor ? " Only the newest 200 of each severity are ranked." : "";
  return `High and medium severity, seven days up to the newest event: what concerns everybody first, then users by severity and time.${cut}`;
}
