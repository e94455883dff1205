// The buttons that go through the segments: first, back, play or pause, step, last, and the slider.

import { byId } from "./element.js";

const PACE = 700; // milliseconds a segment

export class Player {
  // shown: called with the segment to show.
  constructor(shown) {
    Object.assign(this, { shown, count: 0, segment: 0, timer: null });
    this.buttons = Object.fromEntries(["first", "back", "play", "step", "last"].map((name) => [name, byId(`live-${name}`)]));
    this.slider = byId("live-segment");
    const steps = { first: () => 1, back: () => this.segment - 1, step: () => this.segment + 1, last: () => this.count };
    for (const [name, target] of Object.entries(steps)) {
      this.buttons[name].addEventListener("click", () => this.go(target()));
    }
    this.buttons.play.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
  }

  // The number of segments that can be shown; 0 for none.
  set available(count) {
    this.count = count;
    if (!count) this.pause();
    this.#refresh();
  }

  // Goes to a segment, and stops playing.
  go(segment) {
    this.pause();
    this.#to(segment);
  }

  // Plays from the next segment on, or from the first where the last is shown.
  play(end = this.count) {
    this.pause();
    if (this.segment >= this.count) this.#to(1);
    this.buttons.play.textContent = "Pause";
    this.timer = setInterval(() => {
      if (this.segment < end) this.#to(this.segment + 1);
      if (this.segment >= end) this.pause();
    }, PACE);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.buttons.play.textContent = "Play";
  }

  #to(segment) {
    this.segment = Math.min(Math.max(segment, 1), this.count);
    this.#refresh();
    this.shown(this.segment);
  }

  #refresh() {
    const { first, back, play, step, last } = this.buttons;
    this.slider.max = Math.max(this.count, 1);
    this.slider.value = this.segment;
    for (const control of [play, this.slider]) control.disabled = !this.count;
    for (const control of [first, back]) control.disabled = this.segment <= 1 || !this.count;
    for (const control of [step, last]) control.disabled = this.segment >= this.count;
  }
}
