// Grids of cells as tables: the puzzle, whose cells are fields to type into, and answers.

import { element } from "./element.js";

const EMPTY = "\u00a0"; // does not break, so that a row without symbols is as high as the others
const percent = (share) => `${Math.round(share * 100)} %`;

// Makes a table of height × width cells, with thick lines around boxes.
function table(agent, attributes, cellOf) {
  const [boxHeight, boxWidth] = agent.boxes;
  const edge = (index, box) => (index + 1) % box === 0;
  const rows = Array.from({ length: agent.height }, (_, row) => {
    const cells = Array.from({ length: agent.width }, (_, column) => {
      const cell = element("td", {}, cellOf(row * agent.width + column, row, column));
      cell.classList.toggle("below", edge(row, boxHeight) && row + 1 < agent.height);
      cell.classList.toggle("right", edge(column, boxWidth) && column + 1 < agent.width);
      return cell;
    });
    return element("tr", {}, ...cells);
  });
  const grid = element("table", { class: `cells ${agent.family}`, ...attributes }, element("tbody", {}, ...rows));
  grid.style.setProperty("--columns", agent.width);
  return grid;
}

// The puzzle. Arrow keys move, a symbol of the task fills a cell, other keys and Backspace empty it.
export class Editor {
  constructor(agent, changed) {
    this.agent = agent;
    this.fields = [];
    this.table = table(agent, { "aria-label": "The puzzle" }, (cell, row, column) => {
      const field = element("input", {
        type: "text",
        inputmode: agent.family === "sudoku" ? "numeric" : "text",
        maxlength: "1",
        autocomplete: "off",
        "aria-label": `Row ${row + 1}, column ${column + 1}`,
      });
      field.addEventListener("focus", () => field.select());
      field.addEventListener("keydown", (event) => this.#move(event, row, column));
      field.addEventListener("input", () => {
        if (!this.#token(field.value)) field.value = "";
        this.#paint(field);
        changed();
      });
      this.fields[cell] = field;
      return field;
    });
  }

  // The token of a symbol; 0 for none, and for an unknown one.
  #token(symbol) {
    return symbol ? Math.max(0, this.agent.symbols.indexOf(symbol.toUpperCase(), 1)) : 0;
  }

  #paint(field) {
    field.parentElement.classList.toggle("wall", field.value === "#");
  }

  #move(event, row, column) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const { height, width } = this.agent;
    const [to, across] = [(row + step[0] + height) % height, (column + step[1] + width) % width];
    this.fields[to * width + across].focus();
  }

  get tokens() {
    return this.fields.map((field) => this.#token(field.value) || this.agent.blank);
  }

  set tokens(tokens) {
    tokens.forEach((token, cell) => {
      this.fields[cell].value = token === this.agent.blank ? "" : this.agent.symbols[token];
      this.#paint(this.fields[cell]);
    });
  }
}

// The answer of one view.
export class Board {
  constructor(agent, title) {
    this.agent = agent;
    this.cells = [];
    this.title = title;
    this.caption = element("caption", {}, title);
    this.table = table(agent, { class: `cells answer ${agent.family}` }, (cell) => {
      const parts = { symbol: element("span", { class: "symbol" }, EMPTY), note: element("span", { class: "spoken" }) };
      this.cells[cell] = parts;
      return [parts.symbol, parts.note];
    });
    this.table.prepend(this.caption);
  }

  // inputs: the puzzle. segment: what is shown of one segment, null for the puzzle alone.
  show(inputs, segment, verdict = "") {
    this.caption.textContent = verdict ? `${this.title}: ${verdict}` : this.title;
    this.cells.forEach(({ symbol, note }, cell) => {
      const given = inputs[cell] !== this.agent.blank;
      const token = segment ? segment.answer[cell] : inputs[cell];
      const marks = {
        given,
        changed: Boolean(segment?.changed[cell]),
        conflict: Boolean(segment?.conflicts[cell]),
        path: this.agent.symbols[token] === "o",
        wall: this.agent.symbols[token] === "#",
      };
      const frame = symbol.parentElement;
      for (const [name, on] of Object.entries(marks)) frame.classList.toggle(name, on);
      frame.style.setProperty("--confidence", segment && !given ? segment.confidence[cell] : 0);
      symbol.textContent = token === this.agent.blank ? EMPTY : this.agent.symbols[token];
      const said = [given && "given", marks.changed && "changed", marks.conflict && "conflict"];
      if (segment && !given) said.push(percent(segment.confidence[cell]));
      note.textContent = ` ${said.filter(Boolean).join(", ")}`;
      frame.title = segment && !given ? `confidence ${percent(segment.confidence[cell])}` : "";
    });
  }
}
