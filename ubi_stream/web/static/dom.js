"use strict";
// What the scripts of the page are made with. Text is only ever set as text, so nothing that a user or a producer wrote
// can become markup.

const ANSWER_WITHIN_MS = 8000;
const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);
export const words = (name) => String(name).replaceAll("_", " ");
export const percent = (share) => `${(100 * share).toFixed(share && share < 0.1 ? 1 : 0)} %`;
export const decimals = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");
export const whole = new Intl.NumberFormat("en");
export const moment = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
export const clock = (time) => new Date(time).toLocaleTimeString([], { timeStyle: "medium" });

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined).map(asNode));
  return made;
}

export function drawn(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.map(asNode));
  return made;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

// What `patch` knows an element by, and what a click on it does.
export function marked(node, data) {
  Object.assign(node.dataset, data);
  return node;
}

export function tableRow(...cells) {
  return element("tr", "", ...cells.map((cell) => element("td", "", cell)));
}

export async function ask(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS), ...options, headers });
  const document_ = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(document_.detail || answer.statusText), { status: answer.status });
  return document_;
}

// Whether nobody answered; else the message of an error is written for people.
export const noAnswer = (error) => error instanceof TypeError || error instanceof DOMException;

// Makes the children of an element those wanted and keeps what is there already: focus, selection and the place that
// one has scrolled to stay. Elements with the same `data-key` are the same; the others are by their place.
export function patch(parent, ...wanted) {
  const focused = document.activeElement;
  patchChildren(parent, wanted.filter((node) => node !== null && node !== undefined).map(asNode));
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

const keyOf = (node) => (node.dataset ? node.dataset.key : undefined);
const alike = (node, other) => node.nodeName === other.nodeName && keyOf(node) === keyOf(other);

function patchChildren(parent, wanted) {
  const keys = new Set(wanted.map(keyOf));
  const present = new Map();
  for (const child of [...parent.childNodes]) {
    const key = keyOf(child);
    if (key !== undefined && !keys.has(key)) child.remove();
    else if (key !== undefined) present.set(key, child);
  }
  let place = parent.firstChild;
  for (const node of wanted) {
    const key = keyOf(node);
    const old = key === undefined ? place : present.get(key);
    if (!old || !alike(old, node)) {
      parent.insertBefore(node, place);
      continue;
    }
    patchNode(old, node);
    if (old === place) place = place.nextSibling;
    else parent.insertBefore(old, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function patchNode(old, node) {
  if (!(old instanceof Element)) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !node.hasAttribute(name)) old.removeAttribute(name); // a reader has opened it
  }
  for (const { name, value } of node.attributes) {
    if (old.getAttribute(name) === value) continue;
    if (name === "style") old.style.cssText = node.style.cssText; // the policy allows no attribute `style`
    else old.setAttribute(name, value);
  }
  patchChildren(old, [...node.childNodes]);
}
