"use strict";
// Small charts, drawn from numbers: a line of what was sampled, and stacked bars of what was counted over time.

import { drawn, element, percent, whole, words } from "./dom.js";

const WIDTH = 100;
const HEIGHT = 30;
const COLOURS = 8;
const colours = new Map();

// The colour of a name stays the same while the page is open.
export function colourOf(family, names) {
  if (!colours.has(family)) colours.set(family, new Map());
  const known = colours.get(family);
  for (const name of [...names].sort()) {
    if (!known.has(name)) known.set(name, `colour-${known.size % COLOURS}`);
  }
  return (name) => known.get(name);
}

function image(label, ...shapes) {
  const viewBox = `0 0 ${WIDTH} ${HEIGHT}`;
  return drawn("svg", { viewBox, preserveAspectRatio: "none", role: "img", "aria-label": label, class: "chart" }, ...shapes);
}

export function line(values, label) {
  if (values.length < 2) return image(label);
  const most = Math.max(1e-9, ...values);
  const at = (value, n) => `${(WIDTH * n) / (values.length - 1)},${HEIGHT - 1 - ((HEIGHT - 2) * value) / most}`;
  return image(label, drawn("polyline", { points: values.map(at).join(" "), class: "line" }));
}

// `rows` are {start, name, count}; `order` are the names from the bottom up, each with its class and what it is called.
export function bars(rows, { since, until, width, order, label, shares = false }) {
  const first = Math.floor(since / width);
  const slots = Math.max(1, Math.ceil(until / width) - first);
  const counts = Array.from({ length: slots }, () => new Map());
  for (const { start, name, count } of rows) {
    const slot = counts[Math.floor(start / width) - first];
    if (slot) slot.set(name, (slot.get(name) || 0) + count);
  }
  const totals = counts.map((slot) => [...slot.values()].reduce((sum, count) => sum + count, 0));
  const most = Math.max(1, ...totals);
  const step = WIDTH / slots;
  const shapes = counts.flatMap((slot, n) => {
    let top = HEIGHT;
    return order.filter(({ name }) => slot.get(name)).map(({ name, colour, title }) => {
      const count = slot.get(name);
      const height = (HEIGHT * count) / (shares ? totals[n] : most);
      top -= height;
      const when = new Date((first + n) * width).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
      const share = shares ? `, ${percent(count / totals[n])}` : "";
      return drawn(
        "rect",
        { x: n * step, y: top, width: step * 0.86, height, class: colour },
        drawn("title", {}, `${when}: ${title} ${whole.format(count)}${share}`),
      );
    });
  });
  return image(label, ...shapes);
}

export function axis(since, until) {
  const text = (time) => new Date(time).toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return element("div", "axis", element("span", "", text(since)), element("span", "", text(until)));
}

export function shareRow(name, share, count, colour, steps) {
  const fill = element("div", `fill ${colour}`);
  fill.style.width = `${100 * share}%`;
  return element(
    "div",
    "row",
    element("span", "name", element("span", `swatch ${colour}`), name ? words(name) : "no class"),
    element("span", "count", `${percent(share)} · ${whole.format(count)}`),
    element("div", "track", fill),
    steps ? element("span", "funnel", steps) : null,
  );
}
