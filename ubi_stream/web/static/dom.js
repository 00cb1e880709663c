"use strict";
// What both scripts of the page are made with. Text is only ever set as text, so nothing that a user or a producer wrote
// can become markup.

export const byId = (id) => document.getElementById(id);
export const words = (name) => String(name).replaceAll("_", " ");
export const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
export const decimals = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");
export const whole = new Intl.NumberFormat("en");
export const moment = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined).map(asNode));
  return made;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

export function tableRow(...cells) {
  return element("tr", "", ...cells.map((cell) => element("td", "", cell)));
}

export async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  const document_ = await answer.json();
  if (!answer.ok) throw new Error(document_.detail || answer.statusText);
  return document_;
}
