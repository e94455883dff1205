// The controls of the halting rule: which rule, and its parameter on a slider.

import { byId, element } from "./element.js";
import { RULES } from "./rules.js";

export class HaltingControls {
  // changed: called when the visitor chooses another rule or value.
  constructor(changed) {
    this.rules = byId("live-rule");
    this.slider = byId("live-value");
    this.output = byId("live-value-text");
    this.rules.append(...Object.entries(RULES).map(([name, { label }]) => element("option", { value: name }, `${name}: ${label}`)));
    this.rules.addEventListener("change", () => {
      this.set(this.rules.value);
      changed();
    });
    this.slider.addEventListener("input", () => {
      this.value = this.scale.value(Number(this.slider.value));
      this.#write();
      changed();
    });
  }

  // Takes the budget and the rule of an agent, such as "q-threshold:0.95".
  start(policy, budget) {
    this.budget = budget;
    const [name, value] = policy.split(":");
    this.set(name, value);
  }

  // Chooses a rule; an unknown one, or a value out of range, becomes the nearest that there is.
  set(name, value) {
    this.name = name in RULES ? name : "q-threshold";
    this.rules.value = this.name;
    const { scale, start } = RULES[this.name];
    this.scale = scale?.(this.budget);
    const wanted = Number(value ?? start);
    if (this.scale) this.value = Math.min(Math.max(Number.isFinite(wanted) ? wanted : start, this.scale.low), this.scale.high);
    this.slider.disabled = !this.scale;
    this.slider.max = this.scale?.steps ?? 1;
    this.slider.value = this.scale ? this.scale.position(this.value) : 0;
    this.#write();
  }

  #write() {
    const text = this.scale ? `${RULES[this.name].symbol} = ${this.value}` : "no parameter";
    this.output.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }
}
