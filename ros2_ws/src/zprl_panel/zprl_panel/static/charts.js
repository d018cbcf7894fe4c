// Two small charts. Outcomes differ by shape, not only by colour.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 118, LEFT = 38, RIGHT = 10, TOP = 9, BOTTOM = 9;
const SHOWN = 60;

function add(svg, name, attributes, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  svg.append(node);
}

const up = (share) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
const join = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
const percent = (share) => `${Math.round(100 * share)} %`;

// Clears the chart, draws its lines, and returns where the n-th of `count` points lies across it.
function frame(svg, words, count) {
  const width = Math.max(svg.clientWidth, 120);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren();
  words.forEach((word, i) => {
    const y = up(i / (words.length - 1));
    add(svg, "line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
    add(svg, "text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, word);
  });
  return (index) => LEFT + 4 + (width - LEFT - RIGHT - 8) * (count < 2 ? 0.5 : index / (count - 1));
}

// Each block is a curve of its own.
function segments(curve) {
  const found = [];
  curve.forEach((point, index) => {
    if (!found.length || found[found.length - 1][0][0].block !== point.block) found.push([]);
    found[found.length - 1].push([point, index]);
  });
  return found;
}

export function drawRate(svg, label, curve) {
  const x = frame(svg, ["0", "50 %", "100"], curve.length);
  for (const segment of segments(curve)) {
    const line = (key) => segment.map(([point, index]) => [x(index), up(point[key])]);
    if (segment[0][1]) {
      const border = (x(segment[0][1]) + x(segment[0][1] - 1)) / 2;
      add(svg, "line", { class: "border", x1: border, x2: border, y1: TOP, y2: HEIGHT - BOTTOM });
    }
    add(svg, "polygon", { class: "band", points: join([...line("high"), ...line("low").reverse()]) });
    add(svg, "polyline", { class: "curve", points: join(line("rate")) });
  }
  if (!curve.length) return;
  const now = curve[curve.length - 1];
  label.textContent = `${now.block}, last ${now.trials}: ${percent(now.rate)}, ` +
    `95 %: ${percent(now.low)} to ${percent(now.high)}`;
}

const MARKS = {
  success: (x, y) => ["circle", { cx: x, cy: y, r: 4 }],
  failure: (x, y) => ["path", { d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` }],
  horizon: (x, y) => ["rect", { x: x - 3.5, y: y - 3.5, width: 7, height: 7 }],
};

export function drawLengths(svg, label, lengths, horizon) {
  const shown = lengths.slice(-SHOWN), most = Math.max(horizon || 1, ...lengths.map((episode) => episode.steps));
  const x = frame(svg, ["0", String(most / 2), String(most)], shown.length);
  shown.forEach((episode, i) => {
    const [name, attributes] = (MARKS[episode.outcome] ?? MARKS.horizon)(x(i), up(episode.steps / most));
    add(svg, name, { class: `mark ${episode.outcome}`, ...attributes });
  });
  if (lengths.length) label.textContent = `${lengths[lengths.length - 1].steps} steps; ● success ✗ failure □ time up`;
}
