// What hangs in front of the wearer: the cameras' pictures, and a board with the session's state.

const VERTEX = `attribute vec2 corner; uniform mat4 view; uniform vec3 middle; uniform vec2 size; varying vec2 at;
void main() {
  at = vec2(corner.x + 0.5, 0.5 - corner.y);
  gl_Position = view * vec4(middle + vec3(corner * size, 0.0), 1.0);
}`;
const FRAGMENT = `precision mediump float; uniform sampler2D picture; varying vec2 at;
void main() { gl_FragColor = texture2D(picture, at); }`;
const WIDEST_M = 1.8, ALL_M = 3.2, HEIGHT_M = 1.5, AWAY_M = 1.5, GAP_M = 0.06, BOARD_M = [1.6, 0.4];

export class Scene {
  static async of(session, cameras, words) {
    const gl = document.createElement("canvas").getContext("webgl", { xrCompatible: true });
    await gl.makeXRCompatible();
    session.updateRenderState({ baseLayer: new XRWebGLLayer(session, gl) });
    return new Scene(gl, cameras, words);
  }

  // `cameras`: those of the page, whose canvases have the newest pictures. `words()`: lines of the board.
  constructor(gl, cameras, words) {
    this.gl = gl;
    this.cameras = cameras;
    this.words = words;
    this.program = linked(gl);
    this.board = document.createElement("canvas");
    this.board.width = 1024;
    this.board.height = 256;
    this.textures = new Map();
    const corners = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, corners);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(gl.getAttribLocation(this.program, "corner"));
    gl.vertexAttribPointer(gl.getAttribLocation(this.program, "corner"), 2, gl.FLOAT, false, 0, 0);
  }

  draw(session, frame, space) {
    const gl = this.gl, layer = session.renderState.baseLayer, pose = frame.getViewerPose(space);
    gl.bindFramebuffer(gl.FRAMEBUFFER, layer.framebuffer);
    gl.clearColor(0.05, 0.07, 0.09, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!pose) return;
    gl.useProgram(this.program);
    const quads = this.quads();
    for (const view of pose.views) {
      const { x, y, width, height } = layer.getViewport(view);
      gl.viewport(x, y, width, height);
      const matrix = times(view.projectionMatrix, view.transform.inverse.matrix);
      gl.uniformMatrix4fv(gl.getUniformLocation(this.program, "view"), false, matrix);
      for (const quad of quads) this.quad(quad);
    }
  }

  quads() {
    const shown = this.cameras.all.filter((camera) => camera.canvas.width > 0), count = shown.length;
    const width = Math.min(WIDEST_M, ALL_M / count);
    const found = shown.map((camera, i) => {
      const height = (width * camera.canvas.height) / camera.canvas.width;
      const x = (i - (count - 1) / 2) * (width + GAP_M);
      const texture = this.texture(camera.name, camera.canvas, camera.canvas.dataset.pictures);
      return { texture, middle: [x, HEIGHT_M, -AWAY_M], size: [width, height] };
    });
    const lowest = HEIGHT_M - Math.max(0, ...found.map((quad) => quad.size[1])) / 2;
    const lines = this.words();
    write(this.board, lines);
    const texture = this.texture("", this.board, JSON.stringify(lines));
    return [...found, { texture, middle: [0, lowest - GAP_M - BOARD_M[1] / 2, -AWAY_M], size: BOARD_M }];
  }

  // Uploaded only where there is something new to see.
  texture(name, canvas, version) {
    const gl = this.gl, known = this.textures.get(name) ?? { texture: gl.createTexture(), version: null };
    this.textures.set(name, known);
    gl.bindTexture(gl.TEXTURE_2D, known.texture);
    if (known.version !== version) {
      known.version = version;
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, canvas);
      for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, wrap, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    }
    return known.texture;
  }

  quad({ texture, middle, size }) {
    const gl = this.gl;
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.uniform3fv(gl.getUniformLocation(this.program, "middle"), middle);
    gl.uniform2fv(gl.getUniformLocation(this.program, "size"), size);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}

function write(board, lines) {
  const pen = board.getContext("2d");
  pen.fillStyle = "#18212a";
  pen.fillRect(0, 0, board.width, board.height);
  lines.slice(0, 4).forEach(({ text, colour }, i) => {
    pen.fillStyle = colour ?? "#eef3f7";
    pen.font = `${i === 0 ? "bold 52px" : "36px"} system-ui, sans-serif`;
    pen.fillText(text, 24, 62 + i * 58, board.width - 48);
  });
}

function linked(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return program;
}

// a times b, column by column as WebGL has them.
function times(a, b) {
  const found = new Float32Array(16);
  for (let column = 0; column < 4; column += 1) {
    for (let row = 0; row < 4; row += 1) {
      for (let k = 0; k < 4; k += 1) found[4 * column + row] += a[4 * k + row] * b[4 * column + k];
    }
  }
  return found;
}
