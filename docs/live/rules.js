// Halting rules on recorded signals: the semantics of hrm_agent/halting/rules.py and threshold_rules.py.
//
// A rule is made with its parameter. It is then called once a segment, in order, with the segment's signals and number
// m, and returns [quantity that it compares, whether it halts]. Signals are float32, and so is what is compared with
// them, as in torch.

import { linear, logarithmic, logistic, whole } from "./scales.js";

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const f32 = Math.fround;

const below = (name) => (threshold) => (signals) => [signals[name], signals[name] < f32(threshold)];
const above = (name) => (threshold) => (signals) => [signals[name], signals[name] > f32(threshold)];

function qThreshold(threshold) {
  const logit = f32(Math.log(threshold / (1 - threshold)));
  return (signals) => [sigmoid(signals.q_halt), signals.q_halt >= logit];
}

function qCompare(minSegments) {
  return ({ q_halt, q_continue }, m) => [f32(q_halt - q_continue), q_halt > q_continue && m >= minSegments];
}

function qMargin(margin) {
  return ({ q_halt, q_continue }) => [f32(q_halt - q_continue), f32(q_halt - q_continue) >= f32(margin)];
}

function cumulative(epsilon) {
  let sum = 0;
  return ({ q_halt }) => [(sum += sigmoid(q_halt)), sum >= 1 - epsilon];
}

function haltingCDF(quantile) {
  let going = 1;
  return ({ q_halt }) => [1 - (going *= sigmoid(-q_halt)), 1 - going >= quantile];
}

function patience(segments) {
  let unchanged = 0;
  return ({ changed }) => [(unchanged = changed === 0 ? unchanged + 1 : 0), unchanged >= segments];
}

export const RULES = {
  "q-threshold": { label: "σ(Q_halt) ≥ τ", symbol: "τ", scale: logistic(0.01, 0.999), start: 0.5, make: qThreshold },
  "q-compare": { label: "Q_halt > Q_continue, m ≥ M_min", symbol: "M_min", scale: whole, start: 1, make: qCompare },
  "q-margin": { label: "Q_halt − Q_continue ≥ δ", symbol: "δ", scale: linear(-5, 5), start: 0, make: qMargin },
  cumulative: { label: "Σ σ(Q_halt) ≥ 1 − ε", symbol: "ε", scale: logarithmic(0.001, 0.99), start: 0.01, make: cumulative },
  cdf: { label: "1 − Π (1 − σ(Q_halt)) ≥ q", symbol: "q", scale: logistic(0.01, 0.999), start: 0.5, make: haltingCDF },
  residual: { label: "residual < τ", symbol: "τ", scale: logarithmic(0.001, 2), start: 0.05, make: below("residual_h") },
  kl: { label: "KL to the segment before < τ", symbol: "τ", scale: logarithmic(1e-6, 2), start: 0.001, make: below("kl") },
  entropy: { label: "mean entropy < τ", symbol: "τ", scale: logarithmic(1e-5, 1), start: 0.01, make: below("entropy") },
  cosine: { label: "cosine to the state before > τ", symbol: "τ", scale: logistic(0.5, 0.9999), start: 0.999, make: above("cosine") },
  margin: { label: "least margin of two tokens > τ", symbol: "τ", scale: linear(0, 1), start: 0.9, make: above("margin") },
  patience: { label: "the answer unchanged for k segments", symbol: "k", scale: whole, start: 1, make: patience },
  verifier: { label: "the answer keeps the puzzle's rules", make: () => above("valid")(0.5) },
  fixed: { label: "m = K", symbol: "K", scale: whole, start: 4, make: (segments) => (_, m) => [m, m >= segments] },
};

// Where a rule stops one view of a puzzle.
//
// series: the signals of its segments, in order. Returns the quantities of all segments, the segment at which the rule
// halts (the number of segments where it does not), and whether it chose to.
export function stop(name, value, series) {
  const step = RULES[name].make(value);
  const votes = series.map((signals, index) => step(signals, index + 1));
  const first = votes.findIndex(([, halts]) => halts);
  return {
    quantities: votes.map(([quantity]) => quantity),
    segment: first < 0 ? series.length : first + 1,
    byChoice: first >= 0,
  };
}

// The view that answers for all: the first to halt; of several, or where none halts, the one with the highest Q_halt.
// This is the policy halt-first of hrm_agent/halting/view_policies.py.
export function elect(stops, seriesOfViews) {
  const chosen = stops.filter((stop) => stop.byChoice);
  const segment = Math.min(...(chosen.length ? chosen : stops).map((stop) => stop.segment));
  const candidates = stops.map((stop) => (chosen.length ? stop.byChoice : true) && stop.segment === segment);
  const merits = seriesOfViews.map((series, view) => (candidates[view] ? series[segment - 1].q_halt : -Infinity));
  return { view: merits.indexOf(Math.max(...merits)), segment };
}
