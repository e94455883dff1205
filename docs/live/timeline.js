// The table of all segments of one view: a row for each, filled in as they are computed.

import { element } from "./element.js";
import { sigmoid } from "./rules.js";

const share = (value) => value.toFixed(3);
const small = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : value.toFixed(3));

const COLUMNS = [
  { name: "segment", of: (_, m) => `${m}` },
  { name: "changed", of: (segment) => `${segment.changed.filter(Boolean).length}` },
  { name: "conflicts", of: (segment) => `${segment.conflicts.filter(Boolean).length}` },
  { name: "least confidence", of: (segment) => share(Math.min(...segment.confidence)), bar: (segment) => Math.min(...segment.confidence) },
  { name: "σ(Q_halt)", of: (segment) => share(sigmoid(segment.signals.q_halt)), bar: (segment) => sigmoid(segment.signals.q_halt) },
  { name: "σ(Q_continue)", of: (segment) => share(sigmoid(segment.signals.q_continue)), bar: (segment) => sigmoid(segment.signals.q_continue) },
  { name: "residual", of: (segment) => small(segment.signals.residual_h) },
  { name: "the rule's number", of: (_, m, stop) => small(stop.quantities[m - 1]) },
];

export class Timeline {
  // chosen: called with the segment that the visitor clicks.
  constructor(count, chosen) {
    const head = COLUMNS.map(({ name }) => element("th", { scope: "col" }, name));
    this.rows = Array.from({ length: count }, (_, index) => {
      const button = element("button", { type: "button", disabled: "" }, `${index + 1}`);
      button.addEventListener("click", () => chosen(index + 1));
      const cells = COLUMNS.map((_, column) => (column ? element("td", {}, "–") : element("th", { scope: "row" }, button)));
      return element("tr", {}, ...cells);
    });
    this.table = element(
      "table",
      { class: "timeline" },
      element("caption", { class: "spoken" }, "Every segment of view 1"),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...this.rows),
    );
  }

  // segments: those computed so far. stop: where the rule stops. current: the segment that is shown.
  show(segments, stop, current) {
    this.rows.forEach((row, index) => {
      const segment = segments[index];
      const m = index + 1;
      row.classList.toggle("current", m === current);
      row.classList.toggle("stop", Boolean(segment) && stop.byChoice && m === stop.segment);
      row.classList.toggle("after", Boolean(segment) && m > stop.segment);
      const button = row.querySelector("button");
      button.disabled = !segment;
      if (m === current) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      COLUMNS.forEach(({ of, bar }, column) => {
        if (!column) return;
        const cell = row.cells[column];
        cell.textContent = segment ? of(segment, m, stop) : "–";
        cell.style.setProperty("--bar", segment && bar ? bar(segment) : 0);
      });
    });
  }
}
