// The charts: frontier, halting segments, reliability, accuracy by segment, risk and coverage.
"use strict";
const [BLUE, GREY, INK, GREEN, RED] = ["#0072B2", "#767676", "#222222", "#007A5A", "#C8500A"];
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const LEAST = 5e-4; // a perfect accuracy is drawn as this share of wrong answers
const VERDICTS = { better: "better than", worse: "worse than", trade: "more, or less, of both than", like: "not told apart from" };
const touch = window.matchMedia("(pointer: coarse)").matches;
const options = { displaylogo: false, displayModeBar: false, responsive: true };

function axis(extra) {
  const plain = { gridcolor: "#ebebeb", zeroline: false, automargin: true, fixedrange: touch, linecolor: GREY };
  return { ...plain, ...extra, title: extra.title ? { text: extra.title, standoff: 8 } : undefined };
}

function layout(extra) {
  return {
    font: { family: FONT, size: 13, color: INK },
    margin: { l: 8, r: 12, t: 8, b: 8 },
    hovermode: "closest",
    hoverlabel: { bgcolor: "#fff", bordercolor: GREY, font: { family: FONT, color: INK }, align: "left" },
    showlegend: false,
    dragmode: touch ? false : "zoom",
    plot_bgcolor: "#fff",
    ...extra,
  };
}

const wrong = (policy) => 1 + LEAST - policy.exact[0];

/** What pointing at a policy shows. */
function about(policy) {
  const lines = [
    `<b>${policy.policy}</b>`,
    policy.describe,
    `solved ${within(policy.exact, percent, " %")}`,
    `segments ${within(policy.work, decimal)}`,
  ];
  if (policy.verdict) lines.push(`${VERDICTS[policy.verdict]} ${study.reference}`);
  return lines.join("<br>");
}

function drawFrontier() {
  const shown = filtered();
  element("shown").textContent = `${shown.length} of ${study.policies.length} policies`;
  const best = study.policies.filter((policy) => policy.frontier).sort((one, two) => one.work[0] - two.work[0]);
  const end = Math.max(...study.policies.map((policy) => policy.work[0]));
  const edge = [...best, { work: [end], exact: best.at(-1).exact }];
  const traces = [
    {
      x: edge.map((policy) => policy.work[0]),
      y: edge.map(wrong),
      mode: "lines",
      line: { shape: "hv", color: "#b5b5b5", width: 1.5 },
      hoverinfo: "skip",
    },
  ];
  for (const [family, color] of Object.entries(study.families)) {
    const members = shown.filter((policy) => policy.family === family);
    members.sort((one, two) => one.rule.localeCompare(two.rule) || one.work[0] - two.work[0]);
    const points = members.flatMap((policy, number) =>
      number && policy.rule !== members[number - 1].rule ? [null, policy] : [policy],
    );
    traces.push({
      x: points.map((policy) => policy && policy.work[0]),
      y: points.map((policy) => policy && wrong(policy)),
      customdata: points.map((policy) => policy && policy.policy),
      text: points.map((policy) => policy && about(policy)),
      hovertemplate: "%{text}<extra></extra>",
      mode: "lines+markers",
      line: { color: `${color}77`, width: 1 },
      marker: {
        size: touch ? 11 : 9,
        color: points.map((policy) => (policy && policy.frontier ? color : "#ffffff")),
        line: { color, width: 1.5 },
      },
    });
  }
  for (const [name, side] of [["A", state.a], ["B", state.b]]) {
    const policy = study.policies[place.get(side)];
    traces.push({
      x: [policy.work[0]],
      y: [wrong(policy)],
      mode: "markers+text",
      text: [name],
      textposition: name === "A" ? "bottom left" : "bottom right",
      textfont: { size: 15, color: INK },
      marker: { size: 18, color: "rgba(0,0,0,0)", line: { color: INK, width: 1.5 } },
      hoverinfo: "skip",
      cliponaxis: false,
    });
  }
  const solved = [0, 0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1];
  const segments = [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
  const ends = (values, room) => [Math.log10(Math.min(...values)) - room, Math.log10(Math.max(...values)) + room];
  const [low, high] = ends(study.policies.map(wrong), 0.08);
  const frame = layout({
    xaxis: axis({
      type: "log",
      title: "mean segments computed",
      range: ends(study.policies.map((policy) => policy.work[0]), 0.04),
      tickvals: segments,
      ticktext: segments.map(String),
    }),
    yaxis: axis({
      type: "log",
      title: "puzzles solved",
      range: [high, low],
      tickvals: solved.map((share) => 1 + LEAST - share),
      ticktext: solved.map((share) => `${+(100 * share).toFixed(1)} %`),
    }),
  });
  frame.uirevision = "frontier"; // a zoom stays
  Plotly.react("frontier", traces, frame, options);
  if (!element("frontier").dataset.picks) {
    element("frontier").dataset.picks = "yes";
    element("frontier").on("plotly_click", ({ points }) => points[0].customdata && choose("a", points[0].customdata));
  }
}

function drawStops(id, policy, name) {
  const segment = policy.stops[RIGHT].map((_, number) => number + 1);
  const kinds = [["right", RIGHT, study.families[policy.family]], ["wrong", WRONG, INK], ["silent", SILENT, "#c9c9c9"]];
  const traces = kinds
    .filter(([, kind]) => kind !== SILENT || policy.stops[SILENT].some(Boolean))
    .map(([label, kind, color]) => ({
      type: "bar",
      name: label,
      x: segment,
      y: policy.stops[kind],
      marker: { color },
      hovertemplate: `segment %{x}: %{y:.1%} ${label}<extra></extra>`,
    }));
  const frame = layout({
    barmode: "stack",
    bargap: 0.15,
    showlegend: true,
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom", traceorder: "normal" },
    title: { text: `<b>${name}</b>`, x: 0, xref: "paper", font: { size: 14 } },
    margin: { l: 8, r: 8, t: 34, b: 8 },
    xaxis: axis({ title: "halting segment", range: [0.4, study.budget + 0.6], dtick: study.budget > 20 ? undefined : study.budget > 8 ? 2 : 1, tick0: 0 }),
    yaxis: axis({ tickformat: ".0%", rangemode: "tozero" }),
  });
  Plotly.react(id, traces, frame, options);
}

function drawAgent() {
  const below = { orientation: "h", x: 0, y: -0.22, yanchor: "top" };
  const bins = study.reliability.map((each, number) => ({
    name: `${each.name}: ECE ${each.ece.toFixed(3)}, Brier ${each.brier.toFixed(3)}`,
    x: each.probability,
    y: each.frequency,
    error_y: {
      type: "data",
      symmetric: false,
      array: each.interval.map(([, high], bin) => high - each.frequency[bin]),
      arrayminus: each.interval.map(([low], bin) => each.frequency[bin] - low),
      thickness: 1,
      width: 0,
    },
    customdata: each.count,
    hovertemplate: "says %{x:.1%}, right %{y:.1%}<br>%{customdata:,} answers<extra></extra>",
    mode: "lines+markers",
    line: { color: [BLUE, GREY][number], width: 1.5 },
  }));
  const diagonal = { x: [0, 1], y: [0, 1], mode: "lines", line: { color: "#c9c9c9", width: 1.5 }, hoverinfo: "skip", showlegend: false };
  const share = { tickformat: ".0%", range: [-0.02, 1.02] };
  Plotly.react("reliability", [diagonal, ...bins], layout({
    showlegend: true, legend: below, xaxis: axis({ ...share, title: "σ(q_halt)" }), yaxis: axis(share),
  }), options);

  const { now, once, lost, gained, trained } = study.segments;
  const segment = now.map((_, number) => number + 1);
  const line = (name, y, color) => ({ name, x: segment, y, mode: "lines+markers", line: { color, width: 1.5 }, marker: { size: 5 }, hovertemplate: `%{y:.2%} ${name}<extra></extra>` });
  const turns = (name, y, color) => ({ name, type: "bar", x: segment.slice(1), y, yaxis: "y2", marker: { color }, hovertemplate: `%{y:.2%} ${name}<extra></extra>` });
  const longer = trained > 0 && trained < study.budget;
  const edge = { type: "line", xref: "x", yref: "paper", x0: trained + 0.5, x1: trained + 0.5, y0: 0, y1: 1, line: { color: GREY, width: 1, dash: "dot" } };
  Plotly.react("segments", [
    line("right once so far", once, GREY),
    line("right now", now, BLUE),
    turns("wrong → right", gained, GREEN),
    turns("right → wrong", lost.map((value) => -value), RED),
  ], layout({
    showlegend: true,
    legend: below,
    barmode: "relative",
    hovermode: "x unified",
    xaxis: axis({ title: longer ? `segment m (dotted: ${trained} in training)` : "segment m", range: [0.5, study.budget + 0.5], anchor: "y2" }),
    yaxis: axis({ tickformat: ".0%", domain: [0.42, 1] }),
    yaxis2: axis({ tickformat: ".0%", domain: [0, 0.34], nticks: 5 }),
    shapes: longer ? [edge] : [],
  }), options);

  const silent = study.policies.filter((policy) => policy.coverage[0] > 0 && policy.coverage[0] < 1);
  Plotly.react("risk", [
    { name: `${study.reference}, AURC ${study.risk.aurc.toFixed(4)}`, x: study.risk.coverage, y: study.risk.risk, mode: "lines", line: { color: BLUE, width: 1.5 }, hovertemplate: "%{x:.1%} answered, %{y:.2%} wrong<extra></extra>" },
    {
      name: "policies that abstain",
      showlegend: silent.length > 0,
      x: silent.map((policy) => policy.coverage[0]),
      y: silent.map((policy) => policy.risk[0]),
      text: silent.map((policy) => `<b>${policy.policy}</b><br>answers ${within(policy.coverage, percent, " %")}<br>wrong ${within(policy.risk, (share) => decimal(100 * share), " %")}`),
      hovertemplate: "%{text}<extra></extra>",
      mode: "markers",
      cliponaxis: false,
      marker: { size: 9, color: silent.map((policy) => study.families[policy.family]) },
    },
  ], layout({
    showlegend: true, legend: below,
    xaxis: axis({ title: "puzzles answered", tickformat: ".0%", range: [0, 1.02] }),
    yaxis: axis({ tickformat: "~%", rangemode: "tozero" }),
  }), options);
}
