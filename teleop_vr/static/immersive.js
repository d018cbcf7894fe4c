// The immersive session: asks for it, calls back with each of its frames, and says when it can no longer be trusted.

import { Scene } from "/scene.js";

export class Immersive {
  // handlers: frame(session, frame, space), lost(why), ended().
  constructor(handlers) {
    this.handlers = handlers;
    this.session = null;
    this.waiting = [];
  }

  static async possible() {
    if (!navigator.xr) return "this browser has no WebXR; keys and a gamepad work all the same";
    if (!window.isSecureContext) return "WebXR needs https, or this machine";
    const can = await navigator.xr.isSessionSupported("immersive-vr").catch(() => false);
    return can ? "" : "no headset was found; keys and a gamepad work all the same";
  }

  async enter(cameras, words) {
    const session = await navigator.xr.requestSession("immersive-vr", { requiredFeatures: ["local-floor"] });
    this.session = session;
    this.scene = await Scene.of(session, cameras, words);
    this.space = await session.requestReferenceSpace("local-floor");
    this.space.addEventListener("reset", () => this.handlers.lost("the headset has recentred its space"));
    session.addEventListener("visibilitychange", () => {
      if (session.visibilityState !== "visible") this.handlers.lost("the headset shows something else");
    });
    session.addEventListener("end", () => {
      this.session = null;
      this.flush();
      this.handlers.lost("the immersive session has ended");
      this.handlers.ended();
    });
    session.requestAnimationFrame((time, frame) => this.draw(frame));
  }

  leave() {
    this.session?.end();
  }

  // Calls back after a frame of the session was drawn: the window's own frames stand still meanwhile.
  shown(then) {
    this.waiting.push(then);
  }

  flush() {
    for (const then of this.waiting.splice(0)) then();
  }

  draw(frame) {
    const session = this.session;
    if (!session) return;
    session.requestAnimationFrame((time, next) => this.draw(next));
    this.handlers.frame(session, frame, this.space);
    this.scene.draw(session, frame, this.space);
    this.flush();
  }
}
