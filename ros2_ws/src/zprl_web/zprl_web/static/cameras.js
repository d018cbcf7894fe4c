// Live pictures: one canvas a camera. The server sends the next picture when the last one was shown.

export class Cameras {
  // `want(name)` asks for a camera's next picture; `shown(then)` calls back when this one was drawn.
  constructor(box, want, shown = whenDrawn) {
    this.box = box;
    this.want = want;
    this.shown = shown;
    this.all = [];
  }

  // The line is new, or the cameras are: ask for a picture of each.
  open(names) {
    const same = this.all.length === names.length && this.all.every((camera, i) => camera.name === names[i]);
    if (!same) {
      this.all = names.map(made);
      this.box.replaceChildren(...this.all.map((camera) => camera.box));
    }
    for (const name of names) this.want(name);
  }

  async picture(index, jpeg) {
    const camera = this.all[index];
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
    if (bitmap) {
      if (camera.canvas.width !== bitmap.width) camera.canvas.width = bitmap.width;
      if (camera.canvas.height !== bitmap.height) camera.canvas.height = bitmap.height;
      camera.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      camera.canvas.dataset.pictures = Number(camera.canvas.dataset.pictures ?? 0) + 1;
      bitmap.close();
    }
    this.shown(() => this.want(camera.name));
  }
}

function whenDrawn(then) {
  if (document.hidden) document.addEventListener("visibilitychange", then, { once: true });
  else requestAnimationFrame(then);
}

function made(name) {
  const box = document.createElement("div"), canvas = document.createElement("canvas"), label = document.createElement("span");
  box.className = "camera";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Live picture of camera ${name}`);
  const overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  overlay.setAttribute("aria-hidden", "true"); // the hint says the same in words
  label.textContent = name;
  box.append(canvas, overlay, label);
  return { name, box, canvas, overlay };
}
