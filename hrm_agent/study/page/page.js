// The page's data and state; charts.js and puzzles.js draw them.
"use strict";
const study = JSON.parse(document.getElementById("content").textContent);
const element = (id) => document.getElementById(id);
const percent = (share) => (100 * share).toFixed(1);
const decimal = (value) => value.toFixed(2);
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
const within = ([value, low, high], show, unit = "") => `${show(value)}${unit} (${show(low)} to ${show(high)})`;
const place = new Map(study.policies.map((policy, number) => [policy.policy, number]));
const perPolicy = study.checkpoints * study.puzzles; // episodes: the puzzles of every checkpoint
const WRONG = 0, RIGHT = 1, SILENT = 2;

/** The policy on the frontier, other than the reference, that computes about as much as it does. */
function nearest() {
  const [reference, ...others] = [study.policies[place.get(study.reference)], ...study.policies];
  const far = ({ work }) => Math.abs(Math.log(work[0] / reference.work[0]));
  const found = others.filter((policy) => policy.frontier && policy !== reference).sort((one, two) => far(one) - far(two));
  return (found[0] || others[0]).policy;
}

const state = {
  a: nearest(),
  b: study.reference,
  text: "",
  frontierOnly: false,
  families: new Set(study.policies.map((policy) => policy.family)),
};

/** Makes an element with text; texts of a study are never read as HTML. */
function made(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

/** Unpacks base64 of gzip. */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** The policies that the filter lets through. */
function filtered() {
  const words = state.text.toLowerCase().split(/\s+/);
  return study.policies.filter(
    (policy) =>
      state.families.has(policy.family) &&
      (policy.frontier || !state.frontierOnly) &&
      words.every((word) => policy.policy.toLowerCase().includes(word)),
  );
}

function describeStudy() {
  const seeds = study.checkpoints > 1 ? `, ${study.checkpoints} checkpoints` : "";
  const others = study.calibration_puzzles ? ` (${study.calibration_puzzles.toLocaleString("en")} more for calibration)` : "";
  element("about").textContent =
    `${study.puzzles.toLocaleString("en")} puzzles${others}${seeds}, at most ${study.budget} segments. ` +
    `${study.policies.length} policies; differences are to ${study.reference}. ` +
    `Intervals hold ${+(100 * study.confidence).toFixed(2)} %.`;
}

function fillControls() {
  for (const id of ["a", "b"]) {
    element(id).append(...study.policies.map(({ policy }) => made("option", policy, { value: policy })));
    element(id).addEventListener("change", (event) => choose(id, event.target.value));
  }
  element("swap").addEventListener("click", () => {
    [state.a, state.b] = [state.b, state.a];
    drawFrontier();
    drawPair();
  });
  element("filter").addEventListener("input", (event) => {
    state.text = event.target.value.trim();
    drawFrontier();
  });
  element("frontier-only").addEventListener("change", (event) => {
    state.frontierOnly = event.target.checked;
    drawFrontier();
  });
  for (const family of Object.keys(study.families).filter((name) => state.families.has(name))) {
    const button = made("button", family, { type: "button" });
    button.style.borderColor = study.families[family];
    button.style.color = study.families[family];
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = state.families.delete(family) ? false : Boolean(state.families.add(family));
      button.setAttribute("aria-pressed", String(on));
      drawFrontier();
    });
    element("families").append(button);
  }
}

function choose(side, policy) {
  state[side] = policy;
  drawFrontier();
  drawPair();
}

/** Draws what depends on A and B, but for the frontier. */
function drawPair() {
  element("a").value = state.a;
  element("b").value = state.b;
  const [a, b] = [state.a, state.b].map((name) => study.policies[place.get(name)]);
  const rows = [
    ["halts when", (policy) => policy.describe],
    ["solved", (policy) => within(policy.exact, percent, " %")],
    ["segments", (policy) => within(policy.work, decimal)],
    [`solved − ${study.reference}`, (policy) => within(policy.gain, (value) => signed(100 * value), " points")],
    [`segments − ${study.reference}`, (policy) => within(policy.extra, signed)],
    ["verdict", (policy) => policy.verdict || "the reference"],
  ];
  if ([a, b].some((policy) => policy.coverage[0] < 1)) {
    rows.push(["answered", (policy) => within(policy.coverage, percent, " %")]);
    rows.push(["wrong of these", (policy) => within(policy.risk, (share) => decimal(100 * share), " %")]);
  }
  if (a.note || b.note) rows.push(["note", (policy) => policy.note]);
  const head = made("tr");
  head.append(made("th"), made("th", `A: ${a.policy}`), made("th", `B: ${b.policy}`));
  const body = rows.map(([name, show]) => {
    const line = made("tr");
    line.append(made("th", name), made("td", show(a)), made("td", show(b)));
    return line;
  });
  element("pair").replaceChildren(head, ...body);
  drawStops("stops-a", a, "A");
  drawStops("stops-b", b, "B");
  listEpisodes();
}

window.addEventListener("DOMContentLoaded", async () => {
  describeStudy();
  fillControls();
  drawFrontier();
  await readEpisodes();
  drawPair();
  setTimeout(() => {
    drawAgent(); // below the rest, so after it
    document.body.dataset.ready = "yes";
  });
});
