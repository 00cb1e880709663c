"use strict";
// Who looks at the page: this machine before the first key is made, or somebody who logs in. The session is a cookie that
// no script can read; the key itself is kept nowhere.

import { ask, byId, noAnswer } from "./dom.js";

let entered = () => {};

// Resolves once the page may ask: at once where nobody needs a key or a session is open, else when somebody has logged in.
export async function whoLooks() {
  try {
    const caller = await ask("/api/v1/session");
    byId("log-out").hidden = caller.kind !== "session";
  } catch (error) {
    if (noAnswer(error) || error.status !== 401) return; // the page says by itself that nobody answers
    await logIn();
  }
}

function logIn() {
  document.body.classList.add("locked");
  byId("log-in").hidden = false;
  byId("credential").focus();
  return new Promise((done) => (entered = done));
}

async function submit(event) {
  event.preventDefault();
  const note = byId("log-in-note");
  note.textContent = "";
  try {
    const body = JSON.stringify({ credential: byId("credential").value.trim() });
    await ask("/api/v1/session", { method: "POST", body, headers: { "Content-Type": "application/json" } });
  } catch (error) {
    note.textContent = noAnswer(error) ? "No answer; try again." : error.message;
    return;
  }
  byId("credential").value = "";
  byId("log-in").hidden = true;
  byId("log-out").hidden = false;
  document.body.classList.remove("locked");
  entered();
}

async function logOut() {
  await fetch("/api/v1/session", { method: "DELETE" });
  location.reload();
}

byId("log-in").addEventListener("submit", submit);
byId("log-out").addEventListener("click", logOut);
