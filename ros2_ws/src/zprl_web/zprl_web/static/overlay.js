// Outlines over a live picture: where the objects are to lie for the next episode.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

// `outlines`: closed polygons in shares of the picture's width and height; the one without a name is the region.
export function drawOverlay(svg, canvas, outlines) {
  const { width, height } = canvas, key = JSON.stringify([width, height, outlines]);
  if (svg.dataset.shown === key) return;
  svg.dataset.shown = key;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const size = 0.045 * Math.max(width, height);
  svg.replaceChildren(...outlines.flatMap(({ name, points }) => {
    const places = points.map(([x, y]) => [x * width, y * height]);
    const shape = places.map((place) => place.map((v) => v.toFixed(1)).join(",")).join(" ");
    if (!name) return [element("polygon", { points: shape, class: "region" })];
    const x = places.reduce((sum, place) => sum + place[0], 0) / places.length;
    const y = Math.min(...places.map((place) => place[1])) - 0.3 * size;
    return [
      element("polygon", { points: shape, class: "halo" }),
      element("polygon", { points: shape, class: "object" }),
      element("text", { x, y: Math.max(y, size), "font-size": size, "text-anchor": "middle" }, name),
    ];
  }));
}
