// What an agent did on one puzzle: for each view, its segments, with what follows from answers and rules of the task.

export class Trace {
  constructor(task, inputs, views) {
    Object.assign(this, { task, inputs, views: Array.from({ length: views }, () => []) });
  }

  get length() {
    return this.views[0].length;
  }

  // found: an entry for each view, as an agent yields them.
  add(found) {
    found.forEach((segment, view) => {
      const before = this.views[view].at(-1)?.answer ?? this.inputs;
      const solved = this.task.solved(this.inputs, segment.answer);
      segment.signals.valid = Number(solved);
      this.views[view].push({
        ...segment,
        solved,
        changed: segment.answer.map((token, cell) => token !== before[cell]),
        conflicts: this.task.conflicts(segment.answer),
      });
    });
  }

  // The signals of each view, in the order of its segments.
  get series() {
    return this.views.map((segments) => segments.map(({ signals }) => signals));
  }
}
