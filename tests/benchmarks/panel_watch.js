// Put into the operator's page before its own scripts: keeps what was pressed, sent, answered and shown, with times.
(() => {
  const KEY = "watched";
  const now = () => performance.timeOrigin + performance.now();
  const note = (entry) => {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    sessionStorage.setItem(KEY, JSON.stringify([...kept, { ...entry, at: now() }]));
  };
  let pressed = null, raw = false;
  const pressing = () => { pressed = now(); };
  addEventListener("click", pressing, true);
  addEventListener("keydown", pressing, true);

  window.WebSocket = class extends WebSocket {
    constructor(...words) {
      super(...words);
      window.line = this;
      this.addEventListener("message", (event) => {
        if (typeof event.data !== "string") return;
        const message = JSON.parse(event.data);
        if (message.type === "answer") note({ kind: "answer", ...message });
        if (message.type === "notice") note({ kind: "notice", text: message.text });
      });
    }

    send(data) {
      const message = typeof data === "string" && data.endsWith("}") ? JSON.parse(data) : {};
      if (message.type === "command") note({ kind: raw ? "raw" : "sent", ...message, pressed });
      super.send(data);
    }
  };

  const look = (id) => {
    const node = document.getElementById(id);
    const shown = (changes) => changes.forEach((change) => change.addedNodes.forEach(
      (text) => note({ kind: "shown", where: id, text: text.data }),
    ));
    if (node) new MutationObserver(shown).observe(node, { childList: true });
  };
  addEventListener("DOMContentLoaded", () => ["answer", "word"].forEach(look));
  // Past the page's own code: a text or bytes as they are, anything else as JSON.
  window.say = (message) => {
    raw = true;
    const plain = typeof message === "string" || message instanceof Uint8Array;
    window.line.send(plain ? message : JSON.stringify(message));
    raw = false;
  };
  window.watched = () => {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    sessionStorage.removeItem(KEY);
    return kept;
  };
})();
