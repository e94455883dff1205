// The live page: the visitor's puzzle, the agent's segments, and where a halting rule would have stopped.

import { Agent } from "./agent.js";
import { byId, drawn, element } from "./element.js";
import { Board, Editor } from "./grid.js";
import { HaltingControls } from "./halting.js";
import { readLink, writeLink } from "./link.js";
import { Maze } from "./maze.js";
import { Player } from "./player.js";
import { elect, sigmoid, stop } from "./rules.js";
import { Sudoku } from "./sudoku.js";
import { format, parse } from "./text.js";
import { Timeline } from "./timeline.js";
import { Trace } from "./trace.js";

const FAMILIES = { sudoku: Sudoku, maze: Maze };
const page = byId("live");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

class LivePage {
  constructor(descriptions) {
    this.descriptions = descriptions;
    this.loaded = new Map();
    this.player = new Player(() => this.show());
    this.halting = new HaltingControls(() => this.show());
    this.select = byId("live-agent");
    this.select.append(...descriptions.map(({ name, family, height, width }) => element("option", { value: name }, `${family} ${height}×${width} (zoo:${name})`)));
    this.select.addEventListener("change", () => this.choose(this.select.value));
    byId("live-views").addEventListener("change", () => this.puzzleChanged());
    byId("live-examples").addEventListener("change", (event) => event.target.value && this.take(event.target.value));
    byId("live-generate").addEventListener("click", () => this.take(this.text(this.task.generate(Math.random))));
    byId("live-clear").addEventListener("click", () => this.take(this.text(Array(this.agent.cells).fill(this.agent.blank))));
    byId("live-text").addEventListener("change", (event) => this.take(event.target.value));
    byId("live-think").addEventListener("click", () => this.think());
    byId("live-copy").addEventListener("click", () => this.copy());
    addEventListener("hashchange", () => this.restore());
  }

  text(tokens) {
    return format(this.agent, tokens);
  }

  get views() {
    return Number(byId("live-views").value);
  }

  // Shows what the address says, or the first agent with its first example. A puzzle from a link is thought about.
  async restore() {
    const { agent, puzzle, rule, value, views, segment } = readLink();
    const known = this.descriptions.some(({ name }) => name === agent);
    if (["1", "2", "4"].includes(views)) byId("live-views").value = views;
    await this.choose(known ? agent : this.descriptions[0].name, puzzle);
    if (rule) this.halting.set(rule, value);
    if (puzzle) await this.think(Number(segment) || 0);
  }

  // Chooses an agent. The page can be used at once; its weights arrive while the visitor looks for a puzzle.
  async choose(name, puzzle) {
    this.agent = this.descriptions.find((each) => each.name === name);
    this.task = new FAMILIES[this.agent.family](this.agent);
    this.select.value = name;
    if (!this.loaded.has(name)) this.loaded.set(name, Agent.load(this.agent));
    this.editor = new Editor(this.agent, () => this.puzzleChanged());
    this.timeline = new Timeline(this.agent.max_segments, (segment) => this.player.go(segment));
    byId("live-puzzle").replaceChildren(this.editor.table);
    byId("live-timeline").replaceChildren(this.timeline.table);
    const options = this.agent.examples.map((text, index) => element("option", { value: text }, `test puzzle ${index + 1} of ${this.agent.examples.length}`));
    byId("live-examples").replaceChildren(element("option", { value: "" }, "choose …"), ...options);
    this.halting.start(this.agent.halting, this.agent.max_segments);
    this.take(this.agent.examples.at(-1));
    if (puzzle) this.take(puzzle);
    page.dataset.state = "loading";
    this.say("The agent is loading.");
    await this.loaded.get(name);
    if (name !== this.agent.name) return; // the visitor has gone on to another agent
    page.dataset.state = "ready";
    this.say("Ready.");
  }

  // Takes a puzzle as text and returns whether it is one; says what is wrong with another, and keeps the puzzle.
  take(text) {
    byId("live-text").value = text;
    const { tokens, problem } = parse(this.agent, text);
    if (!problem) {
      this.editor.tokens = tokens;
      this.puzzleChanged();
    }
    this.complain(problem);
    return !problem;
  }

  // Forgets the segments, which are those of another puzzle.
  puzzleChanged() {
    const inputs = this.editor.tokens;
    this.trace = new Trace(this.task, inputs, this.views);
    this.player.segment = 0;
    this.player.available = 0;
    byId("live-text").value = this.text(inputs);
    const examples = byId("live-examples");
    examples.value = this.agent.examples.includes(this.text(inputs)) ? this.text(inputs) : "";
    this.complain("");
    if (page.dataset.state !== "loading") page.dataset.state = "ready";
    this.boards = Array.from({ length: this.views }, (_, view) => new Board(this.agent, this.views > 1 ? `View ${view + 1}` : "The answer"));
    byId("live-boards").replaceChildren(...this.boards.map(({ table }) => table));
    byId("live-boards").dataset.views = this.views;
    this.show();
  }

  // Computes all segments of the puzzle, and shows the first as soon as it is there. Then they are played up to the
  // one that the rule chooses, unless a link names one.
  async think(wanted = 0) {
    if (!this.take(byId("live-text").value)) return;
    const { trace } = this;
    const problem = this.task.problem(trace.inputs);
    this.complain(problem);
    if (problem) return;
    page.dataset.state = "thinking";
    const agent = await this.loaded.get(this.agent.name);
    for await (const found of agent.think(trace.inputs, this.views)) {
      if (trace !== this.trace) return; // the visitor has gone on to another puzzle
      trace.add(found);
      this.player.available = trace.length;
      if (trace.length === 1) this.player.go(1);
      else this.show();
      await drawn();
    }
    page.dataset.state = "done";
    if (wanted || calm.matches) this.player.go(wanted || this.answering().segment);
    else if (this.answering().segment > 1) this.player.play(this.answering().segment);
  }

  stops() {
    return this.trace.series.map((series) => stop(this.halting.name, this.halting.value, series));
  }

  answering() {
    return elect(this.stops(), this.trace.series);
  }

  show() {
    const { trace, player } = this;
    const m = player.segment;
    const stops = trace.length ? this.stops() : [];
    this.boards.forEach((board, view) => {
      const segment = trace.views[view][m - 1] ?? null;
      board.show(trace.inputs, segment, segment ? verdict(segment, stops[view], m) : "");
    });
    this.timeline.show(trace.views[0], stops[0], m);
    byId("live-where").textContent = m ? `Segment ${m} of ${this.agent.max_segments}` : "No segment yet";
    byId("live-stop").textContent = trace.length ? this.verdictOfRule(stops) : "Nothing to stop yet.";
    if (m) this.say(summary(trace.views[0][m - 1], m));
    const { name, value, scale } = this.halting;
    writeLink({ agent: this.agent.name, puzzle: this.text(trace.inputs), rule: name, ...(scale && { value }), views: this.views, ...(m && { segment: m }) });
  }

  // Says where the rule stops, and with what answer.
  verdictOfRule(stops) {
    const { view, segment } = elect(stops, this.trace.series);
    const budget = this.agent.max_segments;
    const { byChoice } = stops[view];
    if (!byChoice && this.trace.length < budget) return `No stop in the first ${this.trace.length} of ${budget} segments.`;
    const { solved } = this.trace.views[view][segment - 1];
    const who = this.views > 1 ? `View ${view + 1} answers first, after` : "Stops after";
    const why = byChoice ? "" : ", where the budget ends";
    return `${who} segment ${segment} of ${budget}${why}: the answer is ${solved ? "right" : "wrong"}.`;
  }

  say(text) {
    byId("live-status").textContent = text;
  }

  complain(text) {
    byId("live-error").textContent = text;
  }

  async copy() {
    await navigator.clipboard.writeText(location.href);
    this.say("The link is copied.");
  }
}

function verdict(segment, stop, m) {
  const found = segment.solved ? "✓ solved" : `${segment.conflicts.filter(Boolean).length} in conflict`;
  return stop.byChoice && m >= stop.segment ? `${found} · stopped at ${stop.segment}` : found;
}

function summary(segment, m) {
  const cells = (marks) => {
    const count = marks.filter(Boolean).length;
    return count === 1 ? "1 cell" : `${count} cells`;
  };
  const chance = Math.round(100 * sigmoid(segment.signals.q_halt));
  const found = segment.solved ? "solved" : `${cells(segment.conflicts)} in conflict`;
  return `Segment ${m}: ${cells(segment.changed)} changed, ${found}. The agent gives its answer a chance of ${chance} %.`;
}

const answer = await fetch(new URL("./models/agents.json", import.meta.url));
const live = new LivePage(await answer.json());
page.dataset.state = "loading";
byId("live-server").hidden = true;
await live.restore();
