"use strict";
// The models of this worker: one row for each, however many partitions it has.

import { ask, byId, decimals, patch, tableRow, whole, words } from "./dom.js";

// The API has one report for each partition, and one of all of them.
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
  return tableRow(
    first.entity === "user" ? role : `${role} (${first.entity})`,
    whole.format(parts.reduce((sum, part) => sum + part.n_seen, 0)),
    ready === parts.length ? "ready" : ready ? `ready in ${ready} of ${parts.length}` : "warm-up",
    decimals(recent.roc_auc, 3),
    decimals(recent.log_loss, 3),
  );
}

export async function showModels(seen) {
  const report = await ask("/api/v1/models");
  byId("pack").textContent = report.pack;
  patch(byId("models"), ...byModel(report.models).map(modelRow));
  seen.lag = report.lag.reduce((sum, lag) => sum + lag.events, 0);
  const lag = seen.lag ? `${whole.format(seen.lag)} events wait to be processed. ` : "Nothing waits to be processed. ";
  return report.models.length ? `${lag}Quality is over the last labels.` : "This worker has no partitions now.";
}
