// Mazes: the agent marks a shortest path from S to G. Tokens: PAD 0, wall 1, free 2, S 3, G 4, path 5.

import { shuffled } from "./random.js";

const [WALL, FREE, START, GOAL, PATH] = [1, 2, 3, 4, 5];
const WALLS = 0.3; // share of the cells

export class Maze {
  constructor({ height, width }) {
    Object.assign(this, { height, width });
    this.neighbours = Array.from({ length: height * width }, (_, cell) => {
      const column = cell % width;
      const near = [cell - width, cell + width, column ? cell - 1 : -1, column < width - 1 ? cell + 1 : -1];
      return near.filter((other) => other >= 0 && other < height * width);
    });
  }

  // Returns the number of steps from S to G over the allowed cells, Infinity where there is no way.
  distance(tokens, allowed) {
    const steps = new Map([[tokens.indexOf(START), 0]]);
    for (const [cell, so_far] of steps) {
      if (tokens[cell] === GOAL) return so_far; // a Map visits what is added while it is visited
      for (const next of this.neighbours[cell] ?? []) {
        if (!steps.has(next) && (allowed(next) || tokens[next] === GOAL)) steps.set(next, so_far + 1);
      }
    }
    return Infinity;
  }

  // Marks the path cells that no path of the answer connects to S.
  conflicts(answer) {
    const reached = new Set([answer.indexOf(START)]);
    for (const cell of reached) {
      for (const next of this.neighbours[cell] ?? []) if (answer[next] === PATH) reached.add(next);
    }
    return Array.from(answer, (token, cell) => token === PATH && !reached.has(cell));
  }

  // Whether an answer marks a shortest path and no other cell.
  solved(inputs, answer) {
    const kept = answer.every((token, cell) => token === inputs[cell] || (inputs[cell] === FREE && token === PATH));
    const shortest = this.distance(inputs, (cell) => inputs[cell] === FREE);
    const along = this.distance(answer, (cell) => answer[cell] === PATH);
    return kept && shortest === along && along === answer.filter((token) => token === PATH).length + 1;
  }

  problem(inputs) {
    for (const [token, name] of [[START, "S"], [GOAL, "G"]]) {
      const found = inputs.filter((each) => each === token).length;
      if (found !== 1) return `Expected one ${name}, found ${found || "none"}.`;
    }
    return Number.isFinite(this.distance(inputs, (cell) => inputs[cell] === FREE)) ? "" : "Expected a way from S to G, found none.";
  }

  // Makes a maze of random walls whose shortest path is at least as long as height + width, if 200 tries give one.
  generate(random) {
    let longest = null;
    for (let attempt = 0; attempt < 200; attempt++) {
      const maze = Array.from(this.neighbours, () => (random() < WALLS ? WALL : FREE));
      const [start, goal] = shuffled(maze.keys(), random);
      [maze[start], maze[goal]] = [START, GOAL];
      const steps = this.distance(maze, (cell) => maze[cell] === FREE);
      if (Number.isFinite(steps) && steps > (longest?.steps ?? 0)) longest = { maze, steps };
      if (longest && longest.steps + 1 >= this.height + this.width) break;
    }
    return longest.maze;
  }
}
