// Puts text into the page, touching only what has changed, so that focus and screen readers are left alone.

export function say(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

export function set(id, text) {
  say(document.getElementById(id), text);
}

export function fill(id, things, make) {
  const box = document.getElementById(id), key = JSON.stringify(things);
  if (box.dataset.shown === key) return;
  box.dataset.shown = key;
  const place = box.scrollTop;
  box.replaceChildren(...things.map(make));
  box.scrollTop = place;
}

export function item(className, ...parts) {
  const line = document.createElement("li");
  line.className = className;
  for (const [text, kind, tag] of parts) {
    const span = document.createElement(tag ?? "span");
    span.className = kind;
    span.textContent = text;
    line.append(span);
  }
  return line;
}

export function cells(id, rows) {
  const box = document.getElementById(id), key = JSON.stringify(rows);
  if (box.dataset.shown === key) return;
  box.dataset.shown = key;
  box.replaceChildren(...rows.flatMap(([name, value]) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    return [term, text];
  }));
}

export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 48 48");
  svg.setAttribute("aria-hidden", "true");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}
