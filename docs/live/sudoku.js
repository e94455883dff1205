// Sudoku of any box shape: its rules, a solver, and new puzzles. Tokens are PAD 0, blank 1, digit d is d + 1.

import { shuffled } from "./random.js";

const [BLANK, FIRST] = [1, 2];

const bitsOf = (bits) => [...Array(16).keys()].filter((bit) => bits & (1 << bit));

export class Sudoku {
  constructor({ height, boxes: [boxHeight, boxWidth] }) {
    const n = (this.size = height);
    const cells = [...Array(n * n).keys()];
    const row = (cell) => Math.floor(cell / n);
    const box = (cell) => Math.floor(row(cell) / boxHeight) * (n / boxWidth) + Math.floor((cell % n) / boxWidth);
    this.units = [];
    for (const [kind, unitOf] of [["Row", row], ["Column", (cell) => cell % n], ["Box", box]]) {
      for (let i = 0; i < n; i++) this.units.push({ name: `${kind} ${i + 1}`, cells: cells.filter((c) => unitOf(c) === i) });
    }
    this.unitsOf = cells.map((cell) => this.units.filter((unit) => unit.cells.includes(cell)));
    this.clues = { least: 0, most: n * n };
  }

  // Marks the cells whose digit occurs again in a row, a column or a box.
  conflicts(tokens) {
    const again = (cell) => this.unitsOf[cell].some((unit) => unit.cells.some((c) => c !== cell && tokens[c] === tokens[cell]));
    return Array.from(tokens, (token, cell) => token > BLANK && again(cell));
  }

  // Whether an answer solves the puzzle by the rules.
  solved(inputs, answer) {
    const kept = answer.every((token, cell) => token > BLANK && (inputs[cell] === BLANK || inputs[cell] === token));
    return kept && !this.conflicts(answer).includes(true);
  }

  // Says in one sentence what is wrong with a puzzle; empty if it has exactly one solution.
  problem(inputs) {
    for (const { name, cells } of this.units) {
      for (const cell of cells) {
        const places = cells.filter((c) => inputs[c] === inputs[cell]);
        if (inputs[cell] > BLANK && places.length > 1) {
          return `${name} holds the digit ${inputs[cell] - 1} in ${places.length} cells; expected every digit at most once.`;
        }
      }
    }
    const clues = inputs.filter((token) => token > BLANK).length;
    if (!clues) return "Expected a puzzle with some digits, found none.";
    const found = this.solutions(inputs, 2).length;
    if (found > 1) return `${clues} ${clues === 1 ? "digit leaves" : "digits leave"} more than one solution; expected more digits.`;
    return found ? "" : "No digits fit into the empty cells; expected a puzzle with a solution.";
  }

  // Returns up to `limit` solutions. With a random generator, guesses come in random order.
  solutions(inputs, limit, random = null) {
    const grid = Array.from(inputs);
    const found = [];
    const search = () => {
      if (!grid.includes(BLANK)) return found.push([...grid]);
      const choices = this.#fewest(grid);
      for (const [cell, token] of random ? shuffled(choices, random) : choices) {
        grid[cell] = token;
        search();
        grid[cell] = BLANK;
        if (found.length >= limit) return;
      }
    };
    if (!this.conflicts(grid).includes(true)) search();
    return found;
  }

  // Returns the fewest ways to go on, as (cell, token): the digits of an empty cell, or one or two places of a digit in
  // a unit. None where a cell or a digit has no place left.
  #fewest(grid) {
    const all = (1 << this.size) - 1;
    const bit = (token) => (token > BLANK ? 1 << (token - FIRST) : 0);
    for (const unit of this.units) unit.used = unit.cells.reduce((bits, cell) => bits | bit(grid[cell]), 0);
    const candidates = grid.map((token, cell) => (token > BLANK ? 0 : this.unitsOf[cell].reduce((bits, { used }) => bits & ~used, all)));
    let best = null;
    candidates.forEach((digits, cell) => {
      const tokens = grid[cell] === BLANK ? bitsOf(digits) : null;
      if (tokens && !(best?.length <= tokens.length)) best = tokens.map((digit) => [cell, digit + FIRST]);
    });
    for (const { cells, used } of this.units) {
      let [one, two, three] = [0, 0, 0]; // digits with at least so many places
      for (const cell of cells) {
        three |= two & candidates[cell];
        two |= one & candidates[cell];
        one |= candidates[cell];
      }
      if ((one | used) !== all) return [];
      for (const [count, digits] of [[1, one & ~two], [2, two & ~three]]) {
        if (!digits || best.length <= count) continue;
        const [digit] = bitsOf(digits);
        best = cells.filter((cell) => candidates[cell] & (1 << digit)).map((cell) => [cell, digit + FIRST]);
      }
    }
    return best;
  }

  // Makes a puzzle with exactly one solution in which every clue is needed.
  generate(random) {
    const puzzle = this.solutions(Array(this.size ** 2).fill(BLANK), 1, random)[0];
    for (const cell of shuffled([...puzzle.keys()], random)) {
      const token = puzzle[cell];
      puzzle[cell] = BLANK;
      if (this.solutions(puzzle, 2).length > 1) puzzle[cell] = token;
    }
    return puzzle;
  }
}
