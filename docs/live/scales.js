// Scales of a slider with positions 0 to 100: what value a position stands for, and where a value stands.

export const POSITIONS = 100;

const rounded = (value) => Number(value.toPrecision(3));
const share = (position) => position / POSITIONS;

function scale(low, high, bend, straighten) {
  const [first, last] = [bend(low), bend(high)];
  return () => ({
    low,
    high,
    steps: POSITIONS,
    value: (position) => Math.min(high, Math.max(low, rounded(straighten(first + (last - first) * share(position))))),
    position: (value) => Math.round(((bend(value) - first) / (last - first)) * POSITIONS),
  });
}

export const linear = (low, high) => scale(low, high, (x) => x, (x) => x);
export const logarithmic = (low, high) => scale(low, high, Math.log, Math.exp);
export const logistic = (low, high) =>
  scale(low, high, (p) => Math.log(p / (1 - p)), (x) => rounded4(1 / (1 + Math.exp(-x))));

// Near 1 what counts is the distance from 1.
const rounded4 = (p) => (p > 0.9 ? 1 - Number((1 - p).toPrecision(1)) : p);

// Numbers of segments, 1 to the budget.
export const whole = (budget) => ({
  low: 1,
  high: budget,
  steps: budget - 1,
  value: (position) => position + 1,
  position: (value) => value - 1,
});
