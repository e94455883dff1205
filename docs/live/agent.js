// An agent in the browser: one ONNX graph is one segment (docs/onnx.md), and its carry goes from segment to segment.

import * as ort from "./vendor/ort.wasm.bundle.min.mjs";

ort.env.wasm.wasmPaths = { wasm: new URL("./vendor/ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.wasm.numThreads = 1; // more would need headers that a static host does not send
ort.env.logLevel = "error";

const SIGNALS = ["q_halt", "q_continue", "entropy", "margin", "kl", "changed", "residual_h", "residual_l", "cosine"];
const EMPTY = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, bool: Uint8Array };

export class Agent {
  // description: an entry of models/agents.json.
  static async load(description) {
    const url = new URL(`./models/${description.name}.onnx`, import.meta.url).href;
    const agent = new Agent(description, await ort.InferenceSession.create(url));
    await agent.session.run(agent.#first([Array(description.cells).fill(0)])); // compiles what is slow at its first use
    return agent;
  }

  constructor(description, session) {
    Object.assign(this, { description, session });
  }

  // Yields the segments of a puzzle, each as a list with an entry for each view: its answer, in the puzzle's own cells
  // and tokens, the probability of each of these tokens, and its signals.
  async *think(inputs, views) {
    const symmetries = this.description.views.slice(0, views);
    const feeds = this.#first(symmetries.map((symmetry) => shown(symmetry, inputs)));
    for (let m = 1; m <= this.description.max_segments; m++) {
      const found = await this.session.run(feeds);
      yield symmetries.map((symmetry, view) => this.#read(found, view, symmetry));
      for (const name of this.session.inputNames) {
        if (name.startsWith("carry.")) feeds[name] = found[name.replace("carry.", "next.")];
        if (name === "last_logits") feeds[name] = found.logits;
        if (name === "start") feeds[name] = new ort.Tensor("bool", new Uint8Array(views), [views]);
      }
    }
  }

  #first(rows) {
    const feeds = {};
    for (const { name, type, shape } of this.session.inputMetadata) {
      const sizes = [rows.length, ...shape.slice(1)];
      const data = new EMPTY[type](sizes.reduce((a, b) => a * b));
      if (name === "inputs") data.set(rows.flat().map(BigInt));
      if (name === "start") data.fill(1);
      feeds[name] = new ort.Tensor(type, data, sizes);
    }
    return feeds;
  }

  #read(found, view, symmetry) {
    const { cells, tokens: size } = this.description;
    const at = (name, cell, token) => found[name].data[(view * cells + cell) * size + token];
    const best = Array.from({ length: cells }, (_, cell) => {
      let token = 0;
      for (let t = 1; t < size; t++) if (at("logits", cell, t) > at("logits", cell, token)) token = t;
      return token;
    });
    const signals = Object.fromEntries(SIGNALS.map((name) => [name, found[name].data[view]]));
    const sure = best.map((token, cell) => at("probabilities", cell, token));
    return { answer: restored(symmetry, best), confidence: inPlace(symmetry, sure), signals };
  }
}

// A symmetry holds the old cell at each new one, and the new token for each old one.
const shown = ({ cells, tokens }, puzzle) => cells.map((cell) => tokens[puzzle[cell]]);

function inPlace({ cells }, values) {
  const found = Array(values.length);
  cells.forEach((old, now) => (found[old] = values[now]));
  return found;
}

const restored = (symmetry, answer) => inPlace(symmetry, answer).map((token) => symmetry.tokens.indexOf(token));
