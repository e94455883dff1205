// Puzzle by puzzle: what A and B did on each, and the answers of its segments.
"use strict";
const KINDS = {
  a: ["only A is right", (a, b) => a.right && !b.right],
  b: ["only B is right", (a, b) => !a.right && b.right],
  stops: ["alike, other segment", (a, b) => a.right === b.right && a.stop !== b.stop],
  same: ["alike, same segment", (a, b) => a.right === b.right && a.stop === b.stop],
};
const PAPER = { given: "#eaedf0", wrong: "#ffe1de", other: "#ffffff" };
const LETTER = { given: "#1c2128", right: "#1a7f37", wrong: "#cf222e", unknown: "#0969da" };
const FILLED = { given: "#8c959f", right: "#4ac26b", wrong: "#f0525a", unknown: "#54aeff" };
const episodes = { outcomes: null, stops: null, position: null, pieces: new Map(), kind: "a", listed: [] };

async function readEpisodes() {
  episodes.outcomes = new Uint8Array(await unpacked(study.outcomes));
  episodes.stops = new Uint16Array(await unpacked(study.stops));
  const order = new Uint32Array(await unpacked(study.order));
  episodes.position = new Uint32Array(order.length);
  order.forEach((episode, position) => (episodes.position[episode] = position));
  element("episode").addEventListener("change", drawEpisode);
  for (const [id, step] of [["before", -1], ["after", 1]]) {
    element(id).addEventListener("click", () => {
      element("episode").selectedIndex += step;
      drawEpisode();
    });
  }
  for (const kind of Object.keys(KINDS)) {
    const button = made("button", "", { type: "button", id: `kind-${kind}` });
    button.addEventListener("click", () => {
      episodes.kind = kind;
      listEpisodes();
    });
    element("kinds").append(button);
  }
}

/** What a policy did in an episode. */
function ending(policy, episode) {
  const at = place.get(policy) * perPolicy + episode;
  return { right: episodes.outcomes[at] === RIGHT, silent: episodes.outcomes[at] === SILENT, stop: episodes.stops[at] };
}

const isThere = (episode) => episodes.position[episode] < study.pieces.length * study.piece;

/** Sorts the episodes by what A and B did, and lists those of the kind that is chosen. */
function listEpisodes() {
  const found = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
  for (let episode = 0; episode < perPolicy; episode++) {
    const [a, b] = [ending(state.a, episode), ending(state.b, episode)];
    found[Object.keys(KINDS).find((kind) => KINDS[kind][1](a, b))].push(episode);
  }
  if (!found[episodes.kind].length) episodes.kind = Object.keys(KINDS).find((kind) => found[kind].length);
  for (const [kind, [label]] of Object.entries(KINDS)) {
    const button = element(`kind-${kind}`);
    button.textContent = `${label}: ${found[kind].length.toLocaleString("en")}`;
    button.disabled = !found[kind].length;
    button.setAttribute("aria-pressed", String(kind === episodes.kind));
  }
  episodes.listed = found[episodes.kind];
  const text = (episode) => {
    const seed = study.checkpoints > 1 ? `, checkpoint ${Math.floor(episode / study.puzzles) + 1}` : "";
    return `${study.index[episode % study.puzzles]}${seed}${isThere(episode) ? "" : " (not in this file)"}`;
  };
  element("episode").replaceChildren(...episodes.listed.map((episode) => made("option", text(episode), { value: episode })));
  drawEpisode();
}

async function drawEpisode() {
  const chosen = element("episode").selectedIndex;
  element("before").disabled = chosen <= 0;
  element("after").disabled = chosen >= episodes.listed.length - 1;
  element("grids").replaceChildren();
  element("key").textContent = "";
  const episode = episodes.listed[chosen];
  const ends = { A: ending(state.a, episode), B: ending(state.b, episode) };
  const told = ({ right, silent, stop }) => `${silent ? "silent" : right ? "right" : "wrong"} after segment ${stop}`;
  const [a, b] = [`A, ${state.a}: ${told(ends.A)}.`, `B, ${state.b}: ${told(ends.B)}.`];
  element("episode-note").textContent = `${chosen + 1} of ${episodes.listed.length.toLocaleString("en")}. ${a} ${b}`;
  if (!isThere(episode)) {
    element("key").textContent = "The segments of this puzzle did not fit into this file.";
    return;
  }
  const shown = await segmentsOf(episode);
  if (episode !== episodes.listed[element("episode").selectedIndex]) return; // another one was chosen meanwhile
  const solution = shown.answers[shown.right.indexOf(1)];
  const figures = [grid("question", shown.inputs, null, null, shown.inputs)];
  const last = Math.max(ends.A.stop, ends.B.stop);
  shown.answers.forEach((answer, number) => {
    const segment = number + 1;
    const caption = [`${segment}: ${shown.right[number] ? "right" : "wrong"}, σ(q) ${shown.trust[number].toFixed(2)}`];
    const figure = grid(caption[0], answer, number ? shown.answers[number - 1] : null, solution, shown.inputs);
    for (const side of ["A", "B"]) {
      if (ends[side].stop === segment) figure.lastChild.append(made("br"), made("b", `${side} halts here`));
    }
    if (segment > last) figure.className = "past";
    figures.push(figure);
  });
  element("grids").replaceChildren(...figures);
  const colours = solution ? "Green is right, red is wrong" : "No segment solves this puzzle, so nothing tells right from wrong cells";
  element("key").textContent = `${colours}; grey is given, and a frame marks what changed since the segment before. Answers and σ(q_halt) are those of the first view.`;
}

/** Unpacks the segments of an episode; see `pieces` in episodes.py. */
async function segmentsOf(episode) {
  const number = Math.floor(episodes.position[episode] / study.piece);
  if (!episodes.pieces.has(number)) episodes.pieces.set(number, new Uint8Array(await unpacked(study.pieces[number])));
  const cells = study.grid.height * study.grid.width;
  const size = (study.budget + 1) * cells + 2 * study.budget;
  const start = (episodes.position[episode] % study.piece) * size;
  const row = episodes.pieces.get(number).subarray(start, start + size);
  const inputs = row.slice(0, cells);
  const answers = [];
  for (let segment = 1; segment <= study.budget; segment++) {
    const before = answers.at(-1) || inputs;
    answers.push(row.slice(segment * cells, (segment + 1) * cells).map((token, cell) => token ^ before[cell]));
  }
  const rest = row.subarray((study.budget + 1) * cells);
  return { inputs, answers, trust: Array.from(rest.subarray(0, study.budget), (byte) => byte / 255), right: Array.from(rest.subarray(study.budget)) };
}

/** Draws tokens as a figure with a caption: the question alone, or an answer against the one before and the right one. */
function grid(caption, tokens, before, solution, inputs) {
  const { height, width, symbols, blank, boxes, paints, written, cropped } = study.grid;
  const painted = Object.keys(paints).length > 0;
  const isQuestion = tokens === inputs;
  const [top, left, bottom, right] = cropped ? extent(tokens, width, (token) => symbols[token] in paints) : [0, 0, height, width];
  const [rows, columns] = [bottom - top, right - left];
  const size = Math.max(6, Math.floor(300 / Math.max(rows, columns)));
  const canvas = made("canvas", "", { width: columns * size + 2, height: rows * size + 2 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => symbols[tokens[(top + row) * width + left + column]]).join("")).join(" / "));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.translate(1, 1);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = `${Math.round(size * 0.62)}px system-ui, sans-serif`;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const cell = (top + row) * width + left + column;
      const symbol = symbols[tokens[cell]];
      const isBlank = tokens[cell] === blank || symbol === "_";
      const isGiven = isQuestion || (blank >= 0 && inputs[cell] !== blank && tokens[cell] === inputs[cell]);
      const kind = isGiven ? "given" : !solution ? "unknown" : tokens[cell] === solution[cell] ? "right" : "wrong";
      const [x, y] = [column * size, row * size];
      pen.fillStyle = !painted ? (isBlank && kind !== "wrong" ? PAPER.other : PAPER[kind] || PAPER.other) : paints[symbol] || (isBlank ? "#ffffff" : FILLED[kind]);
      pen.fillRect(x, y, size, size);
      if (!isBlank && (!painted || written.includes(symbol))) {
        pen.fillStyle = painted ? INK : LETTER[kind];
        pen.fillText(symbol, x + size / 2, y + size * 0.54);
      }
      if (painted && kind === "wrong") {
        pen.strokeStyle = LETTER.wrong;
        pen.lineWidth = Math.max(1, size / 10);
        pen.strokeRect(x + size * 0.3, y + size * 0.3, size * 0.4, size * 0.4);
      }
      if (before && before[cell] !== tokens[cell]) {
        pen.strokeStyle = "#bf8700";
        pen.lineWidth = Math.max(1.5, size / 12);
        pen.strokeRect(x + pen.lineWidth, y + pen.lineWidth, size - 2 * pen.lineWidth, size - 2 * pen.lineWidth);
      }
    }
  }
  for (const [count, step, vertical] of [[columns, boxes[1], true], [rows, boxes[0], false]]) {
    for (let line = 0; line <= count; line++) {
      const thick = !cropped && (line % step === 0 || line === count);
      pen.fillStyle = thick ? "#57606a" : "#c3c9d0";
      const at = line * size - (thick ? 1 : 0.5);
      if (vertical) pen.fillRect(at, -1, thick ? 2 : 1, rows * size + 2);
      else pen.fillRect(-1, at, columns * size + 2, thick ? 2 : 1);
    }
  }
  const figure = made("figure");
  figure.append(canvas, made("figcaption", caption));
  return figure;
}

/** The smallest rectangle that holds all cells of a kind, or the whole grid if there are none: top, left, bottom, right. */
function extent(tokens, width, isOne) {
  const cells = Array.from(tokens.keys()).filter((cell) => isOne(tokens[cell]));
  const [rows, columns] = [cells.map((cell) => Math.floor(cell / width)), cells.map((cell) => cell % width)];
  if (!cells.length) return [0, 0, tokens.length / width, width];
  return [Math.min(...rows), Math.min(...columns), Math.max(...rows) + 1, Math.max(...columns) + 1];
}
