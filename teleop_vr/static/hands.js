// The hands: from a headset's controllers, a gamepad, or the keyboard. All of them are told in the same form,
// in a reference space with x to the right, y up, and z towards the person.

const STILL = { p: [0, 0, 0], q: [0, 0, 0, 1], grip: 0, trigger: 0, tracked: true };
// A gamepad's or a headset's buttons by their number, and what they press.
export const BUTTONS = {
  right: { 4: "go", 5: "success", 3: "undo" },
  left: { 4: "failure", 5: "abort", 3: "stop" },
  pad: { 0: "go", 1: "success", 2: "failure", 3: "abort", 8: "undo", 9: "stop" },
};

const value = (button) => (button ? (button.value || (button.pressed ? 1 : 0)) : 0);
const list = (v) => [v.x, v.y, v.z];

// Which buttons were pressed since the last look.
class Presses {
  constructor(names) {
    this.names = names;
    this.down = new Set();
  }

  look(buttons) {
    const pressed = [];
    for (const [index, name] of Object.entries(this.names)) {
      const now = Boolean(buttons[index]?.pressed);
      if (now && !this.down.has(index)) pressed.push(name);
      if (now) this.down.add(index);
      else this.down.delete(index);
    }
    return pressed;
  }
}

// Both controllers of a headset, from the frames of an immersive session.
export class Controllers {
  constructor(press) {
    this.press = press;
    this.presses = { left: new Presses(BUTTONS.left), right: new Presses(BUTTONS.right) };
    this.last = {};
  }

  look(session, frame, space) {
    const hands = {};
    for (const source of session.inputSources) {
      const side = source.handedness;
      if (!source.gripSpace || !this.presses[side]) continue;
      const buttons = source.gamepad?.buttons ?? [];
      const pose = frame.getPose(source.gripSpace, space);
      if (pose) {
        const { position, orientation } = pose.transform;
        const q = [...list(orientation), orientation.w];
        this.last[side] = { p: list(position), q, tracked: !pose.emulatedPosition };
      } else if (this.last[side]) {
        this.last[side] = { ...this.last[side], tracked: false };
      } else {
        continue;
      }
      hands[side] = { ...this.last[side], grip: value(buttons[1]), trigger: value(buttons[0]) };
      for (const name of this.presses[side].look(buttons)) this.press(name);
    }
    return hands;
  }
}

const SPEED_M_S = 0.12, TURN_RAD_S = 0.6, TRIGGER_S = 1.2;
const KEYS = {
  KeyW: [0, 0, -1], KeyS: [0, 0, 1], KeyA: [-1, 0, 0], KeyD: [1, 0, 0], KeyE: [0, 1, 0], KeyQ: [0, -1, 0],
};
const TURNS = {
  ArrowUp: [-1, 0, 0], ArrowDown: [1, 0, 0], ArrowLeft: [0, 1, 0], ArrowRight: [0, -1, 0], Comma: [0, 0, 1], Period: [0, 0, -1],
};
const GRIPPER = { KeyF: 1, KeyR: -1 };
const CLUTCH = "Space";
export const MOVES = new Set([CLUTCH, ...Object.keys(KEYS), ...Object.keys(TURNS), ...Object.keys(GRIPPER)]);

// A hand that keys, the mouse and a gamepad move: the clutch is closed while Space, the mouse button on the pad, or
// the gamepad's right shoulder is held.
export class Virtual {
  constructor(pad, press) {
    this.press = press;
    this.keys = new Set();
    this.presses = new Presses(BUTTONS.pad);
    this.hand = structuredClone(STILL);
    this.dragging = false;
    this.at = performance.now();
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      this.dragging = true;
    });
    pad.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      pad.addEventListener(end, () => { this.dragging = false; });
    }
    pad.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.hand.p[1] -= Math.sign(event.deltaY) * 0.004;
    }, { passive: false });
  }

  // The mouse on the pad: over the table, a millimetre a pixel.
  drag(event) {
    if (!this.dragging) return;
    this.hand.p[0] += 0.001 * event.movementX;
    this.hand.p[2] += 0.001 * event.movementY;
  }

  // Nothing is pressed any more: the page no longer hears the keys.
  release() {
    this.keys.clear();
    this.dragging = false;
  }

  look() {
    const now = performance.now(), seconds = Math.min(0.1, (now - this.at) / 1000);
    this.at = now;
    const pad = [...(navigator.getGamepads?.() ?? [])].find((one) => one?.connected);
    for (const name of pad ? this.presses.look(pad.buttons) : []) this.press(name);
    this.move(this.sum(KEYS, pad && [axis(pad, 0), value(pad.buttons[12]) - value(pad.buttons[13]), axis(pad, 1)]), seconds);
    this.turn(this.sum(TURNS, pad && [axis(pad, 3), -axis(pad, 2), 0]), seconds);
    this.squeeze(pad, seconds);
    const held = this.keys.has(CLUTCH) || this.dragging || value(pad?.buttons[5]) > 0.5;
    return { ...this.hand, grip: held ? 1 : 0 };
  }

  sum(table, start) {
    const total = start ? [...start] : [0, 0, 0];
    for (const [key, step] of Object.entries(table)) {
      if (this.keys.has(key)) step.forEach((part, i) => { total[i] += part; });
    }
    return total;
  }

  move(way, seconds) {
    this.hand.p = this.hand.p.map((part, i) => part + way[i] * SPEED_M_S * seconds);
  }

  turn(way, seconds) {
    const angle = Math.hypot(...way) * TURN_RAD_S * seconds;
    if (angle === 0) return;
    const share = Math.sin(angle / 2) / Math.hypot(...way);
    this.hand.q = product([...way.map((part) => part * share), Math.cos(angle / 2)], this.hand.q);
  }

  squeeze(pad, seconds) {
    const trigger = value(pad?.buttons[7]);
    if (trigger > 0 || this.squeezed) this.hand.trigger = trigger;
    this.squeezed = trigger > 0;
    for (const [key, way] of Object.entries(GRIPPER)) {
      if (this.keys.has(key)) this.hand.trigger += (way * seconds) / TRIGGER_S;
    }
    this.hand.trigger = Math.min(1, Math.max(0, this.hand.trigger));
  }
}

function axis(pad, index) {
  const raw = pad.axes[index] ?? 0;
  return Math.abs(raw) < 0.12 ? 0 : raw;
}

// a times b of quaternions x, y, z, w, made a unit again.
function product([ax, ay, az, aw], [bx, by, bz, bw]) {
  const found = [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ];
  const norm = Math.hypot(...found);
  return found.map((part) => part / norm);
}
