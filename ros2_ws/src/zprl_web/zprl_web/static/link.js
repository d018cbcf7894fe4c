// The line to the server, and the commands that wait for an answer.
//
// A command keeps its id until it is answered, over a lost line and over a reload: however often it is sent, it
// counts once. What starts a motion is given up after a few seconds instead, since nobody expects it any more; and so
// is a label for an arm that moves: it would be taken for one of where the arm is by then.

const SILENT_MS = 1500;
const AGAIN_MS = 1000;
const DOUBLE_MS = 700;
const LIFE_MS = { start: 4000, begin: 4000, resume: 4000, clear: 4000, pause: 10000, stop: 30000 };
export const HOW = {
  unsent: "not sent yet, the line is bad",
  waits: "sent, waiting for the session",
  accepted: "accepted",
  refused: "refused",
  "given up": "not done",
};
const MOVING_MS = { success: 5000, failure: 5000 };

function kept(key, make) {
  const found = sessionStorage.getItem(key);
  if (found !== null) return JSON.parse(found);
  const made = make();
  sessionStorage.setItem(key, JSON.stringify(made));
  return made;
}

export class Link {
  constructor(handlers) {
    this.handlers = handlers;
    this.page = kept("page", () => crypto.randomUUID());
    this.heard = performance.now();
    this.delay = 200;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.delay = 200;
      this.send({ type: "hello", page: this.page, had_seat: sessionStorage.getItem("seat") === "1" });
      this.handlers.open();
    };
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = (event) => this.closed(event);
  }

  receive(data) {
    this.heard = performance.now();
    if (data instanceof ArrayBuffer) {
      this.handlers.picture(new Uint8Array(data, 0, 1)[0], data.slice(1));
    } else {
      const message = JSON.parse(data);
      this.handlers[message.type]?.(message);
    }
  }

  closed(event) {
    if (event.reason === "this page was opened again") {
      this.handlers.replaced();
      return;
    }
    setTimeout(() => this.open(), this.delay);
    this.delay = Math.min(2 * this.delay, 2000);
    if (event.code === 1006) this.check();
  }

  // A refused WebSocket does not say why: ask whether we are still in.
  async check() {
    const answer = await fetch("/", { cache: "no-store" }).catch(() => null);
    if (answer?.status === 401) location.reload();
  }

  get live() {
    return this.socket.readyState === WebSocket.OPEN && this.silence < SILENT_MS;
  }

  get silence() {
    return performance.now() - this.heard;
  }

  // A stop goes out on whatever line there is: the server may hear us where we do not hear it.
  command(message) {
    return (this.live || message.name === "stop") && this.send(message);
  }

  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }
}

export class Commands {
  constructor(send, tell) {
    this.send = send;
    this.tell = tell;
    this.waiting = new Map(kept("commands", () => []).map((command) => [command.id, command]));
    this.last = null;
    setInterval(() => this.again(), 250);
  }

  has(name) {
    return [...this.waiting.values()].some((command) => command.name === name);
  }

  // A second press while the first waits, or right after it, is the same command.
  press(run, episode, name, value = "", moving = false) {
    const now = Date.now();
    const same = (c) => c.name === name && c.episode === episode && c.value === value;
    if ([...this.waiting.values()].some(same)) return;
    if (this.last && same(this.last) && now - this.last.at < DOUBLE_MS) return;
    const life = (moving && MOVING_MS[name]) || LIFE_MS[name] || null;
    const command = { id: crypto.randomUUID(), run, episode, name, value, life, at: now, sent: 0 };
    this.last = command;
    this.waiting.set(command.id, command);
    this.again();
    if (command.sent === 0) this.tell(command, "unsent", "");
  }

  answered(answer) {
    const command = this.waiting.get(answer.id);
    if (!command) return;
    if (answer.accepted === null) {
      this.tell(command, "waits", answer.reason);
      return;
    }
    this.waiting.delete(answer.id);
    this.keep();
    this.tell(command, answer.accepted ? "accepted" : "refused", answer.reason);
  }

  // The line is new: whatever was sent on the old one may be lost.
  reconnected() {
    for (const command of this.waiting.values()) command.sent = 0;
    this.again();
  }

  again() {
    const now = Date.now();
    for (const command of [...this.waiting.values()]) {
      if (now - command.at > (command.life ?? Infinity)) {
        this.waiting.delete(command.id);
        this.tell(command, "given up", "nobody answered");
      } else if (now - command.sent > AGAIN_MS) {
        const { id, run, episode, name, value } = command;
        if (this.send({ type: "command", id, run, episode, name, value })) {
          const first = command.sent === 0;
          command.sent = now;
          if (first) this.tell(command, "waits", "");
        }
      }
    }
    this.keep();
  }

  keep() {
    sessionStorage.setItem("commands", JSON.stringify([...this.waiting.values()]));
  }
}
