// Keeps an open page up to date, its clocks running, and says when it is old. Works without it, too: every form is plain HTML.
"use strict";

const SILENT_MS = 12000; // the server says something every 5 s
const PAUSE_MS = 1500; // between two fetches of a page
const RETRY_MS = 5000; // after one that failed
const body = document.body;
const main = document.getElementById("content");
let base = Number(body.dataset.now);
let at = performance.now();
let speed = Number(body.dataset.speed);

const now = () => base + (performance.now() - at) * speed;
const two = (n) => String(n).padStart(2, "0");

function lasting(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(s / 3600);
  const rest = `${two(s % 60)}`;
  if (hours) return `${hours}:${two(Math.floor((s % 3600) / 60))}:${rest}\u00a0${body.dataset.hour}`;
  return `${Math.floor(s / 60)}:${rest}\u00a0${body.dataset.minute}`;
}

const wallClock = new Intl.DateTimeFormat("en-GB", { timeZone: body.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) element.textContent = lasting(now() - Number(element.dataset.since));
  for (const element of document.querySelectorAll("[data-clock]")) element.textContent = wallClock.format(now());
}

// A reload changes neither what a person has opened, entered or chosen, nor the result of the last action. Each form is inside
// an element with an id, so that an entry stays with its stop, count or station.
const kept = new WeakSet([document.getElementById("answer")]);
document.addEventListener("input", (event) => kept.add(event.target));
const options = {
  morphStyle: "innerHTML",
  ignoreActiveValue: true,
  callbacks: {
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
    beforeNodeMorphed: (old) => !kept.has(old) && !(old.tagName === "TIME" && old.dataset.clock) && !(old.dataset && "chart" in old.dataset),
  },
};

function show(html) {
  Idiomorph.morph(main, html, options);
  tick();
}

let asked = false;
let again = false;
let behind = false; // the last reload failed, so the page may be old
async function reload() {
  if (asked) { again = true; return; }
  asked = true;
  try {
    const answer = await fetch(main.dataset.page, { headers: { "X-Part": "main" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(`the page answers ${answer.status}`);
    show(new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("content").innerHTML);
    behind = false;
    hear(0);
  } catch (error) {
    console.warn(error);
    behind = true; // the stale note is shown
  }
  setTimeout(() => { asked = false; if (again || behind) { again = false; reload(); } }, behind ? RETRY_MS : PAUSE_MS);
}

let fresh = performance.now(); // when the page was last known to be up to date; freshAt: the same by the plant's clock
let freshAt = now();
const stale = document.querySelector(".stale-note");
function hear(ms) {
  const heard = performance.now();
  if (ms) {
    // a simulated clock waits for a slow computer, and the demo's goes on in real time at its end
    if (speed !== 1 && heard - at > 1000) speed = Math.max(1, (ms - base) / (heard - at));
    base = ms;
    at = heard;
  }
  if (behind) return;
  fresh = heard;
  freshAt = now();
  if (!stale.hidden) { stale.hidden = true; body.classList.remove("stale"); if (main.dataset.live !== "/live/wall") reload(); }
}
function watch() {
  if (performance.now() - fresh > SILENT_MS && stale.hidden) {
    stale.textContent = body.dataset.stale.replace("{}", wallClock.format(freshAt));
    stale.hidden = false;
    body.classList.add("stale");
  }
}

function listen() {
  const source = new EventSource(main.dataset.live);
  source.addEventListener("beat", (event) => hear(Number(event.data)));
  source.addEventListener("wall", (event) => { hear(0); show(event.data); });
  source.addEventListener("changed", (event) => { hear(Number(event.data)); reload(); });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // a proxy's error page ends it for good
  });
}

if (main.dataset.live) { listen(); setInterval(watch, 1000); }
setInterval(tick, 1000);
tick();

// A scanner is a keyboard: letters and digits that are typed into nothing are a VIN.
document.addEventListener("keydown", (event) => {
  const field = document.querySelector("[data-scan]");
  const isTyped = /^[A-Za-z0-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey;
  const free = !document.activeElement || ["BODY", "MAIN", "A"].includes(document.activeElement.tagName);
  if (field && isTyped && free) field.focus();
});
for (const element of document.querySelectorAll("[data-print]")) element.addEventListener("click", () => window.print());
