// A puzzle as text: one symbol a cell. Spaces, line breaks and drawn lines between the cells are skipped where they
// stand for no cell, and 0, _ and a blank stand for an empty one.

export function format(agent, tokens) {
  return tokens.map((token) => agent.symbols[token]).join("");
}

// Returns the tokens, or what is wrong with the text in one sentence; the other is empty.
export function parse(agent, text) {
  const blank = agent.symbols[agent.blank];
  const lines = agent.family === "sudoku" ? text.replace(/[\s|+,;-]/g, "") : text.replace(/[\r\n]/g, "");
  const symbols = [...lines].map((symbol) => ("0_*?".includes(symbol) ? blank : symbol));
  const known = agent.symbols.slice(1);
  const alien = symbols.findIndex((symbol) => !known.includes(symbol));
  const meant = agent.family === "sudoku" ? `the digits 1 to ${agent.height}, and . for an empty cell` : `the characters ${known}`;
  let problem = "";
  if (alien >= 0) problem = `Expected ${meant}, found “${symbols[alien]}” in cell ${alien + 1}.`;
  else if (symbols.length !== agent.cells) problem = `Expected ${agent.cells} cells, found ${symbols.length}.`;
  return { tokens: problem ? [] : symbols.map((symbol) => agent.symbols.indexOf(symbol, 1)), problem };
}
