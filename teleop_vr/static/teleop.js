// The page: tells the server where the hands are, and shows what it says. It decides nothing.

import { Cameras } from "/cameras.js";
import { Controllers, MOVES, Virtual } from "/hands.js";
import { Immersive } from "/immersive.js";
import { Commands, HOW, Link } from "/link.js";
import { drawOverlay } from "/overlay.js";
import { fill, item, say, set } from "/text.js";

const NAMES = { failure: "keep", abort: "discard" };
const KEYS = { Enter: "go", 1: "success", 2: "failure", 3: "abort", Backspace: "undo", c: "clear" };
const GO_ON = ["begin", "start", "resume"], MENDS = ["undo", "clear"];
const LEAST_GAP_MS = 6.8; // between two words of the hands: a screen may be faster than the server listens (150 Hz)
const MOST_WAITING_BYTES = 4096; // of hands that the network has not taken: older ones are not worth sending

const $ = (id) => document.getElementById(id);
const buttons = [...document.querySelectorAll("[data-command]")];
const fields = [...document.querySelectorAll(".settings input, .settings select")];
const SETTLE_MS = 1000; // the server answers a change of the settings with its own long before
let changedAt = -SETTLE_MS;
let view = null, run = "", replaced = false, roundTrip = null, shownState = "";

const link = new Link({
  open: () => {},
  welcome: (message) => {
    run = message.run;
    cameras.open(message.cameras);
    commands.reconnected();
    roundTrip = null;
  },
  view: (message) => { view = message; draw(); },
  seen: (message) => {
    const now = performance.now() - message.at;
    roundTrip = roundTrip === null ? now : roundTrip + 0.1 * (now - roundTrip);
  },
  answer: (message) => commands.answered(message),
  notice: (message) => tell(message.text, "refused"),
  picture: (index, jpeg) => cameras.picture(index, jpeg),
  replaced: () => { replaced = true; draw(); },
});

const cameras = new Cameras(
  $("cameras"), (camera) => link.send({ type: "frame", camera }),
  (then) => (immersive.session ? immersive.shown(then) : afterFrame(then)),
);

const commands = new Commands((message) => link.command(message), (command, how, reason) => {
  const name = NAMES[command.name] ?? command.name;
  tell(`${name}: ${HOW[how]}${reason ? `. ${reason}` : ""}`, how === "accepted" ? "good" : how);
  draw();
});

const immersive = new Immersive({
  frame: (session, frame, space) => tellHands(controllers.look(session, frame, space)),
  lost: (why) => link.send({ type: "let_go", why }),
  ended: () => {
    looked();
    draw();
  },
});
const controllers = new Controllers(press);
const virtual = new Virtual($("pad"), press);

let isAway = false;
let toldAt = 0;

function afterFrame(then) {
  if (document.hidden) document.addEventListener("visibilitychange", then, { once: true });
  else requestAnimationFrame(then);
}

function tellHands(hands) {
  const now = performance.now();
  if (now - toldAt < LEAST_GAP_MS) return;
  if (!view?.yours || link.socket.bufferedAmount > MOST_WAITING_BYTES || Object.keys(hands).length === 0) return;
  toldAt = now;
  link.send({ type: "hands", at: now, hands });
}

// Keys, mouse and gamepad are told at the screen's rate, while the page is looked at and no headset is.
function tick() {
  requestAnimationFrame(tick);
  if (!immersive.session && document.hasFocus() && !isAway) tellHands({ [$("hand").value]: virtual.look() });
}

function tell(text, kind) {
  say($("answer"), text);
  $("answer").className = `answer ${kind.replace(" ", "-")}`;
}

// "go" is whatever brings the collection on, "mend" whatever takes the last thing back.
function meant(name) {
  const among = { go: GO_ON, mend: MENDS }[name];
  return among ? among.find((each) => view?.session.possible.includes(each)) ?? among[0] : name;
}

function press(name) {
  const command = meant(name);
  if (command === "stop" || allowed(name)) {
    commands.press(run, view?.session.episode ?? 0, command, "", view?.session.state === "running");
  } else tell(`${NAMES[command] ?? command}: ${whyNot()}`, "refused");
}

function allowed(name) {
  return Boolean(!replaced && link.live && view?.yours && view.session.possible.includes(meant(name)));
}

function whyNot() {
  if (replaced) return "this page was opened again elsewhere";
  if (!link.live) return "the server is silent";
  if (!view?.yours) return "take the hands first";
  return `not possible now: ${view?.session.word ?? "no session"}`;
}

function settings() {
  const locked = [...document.querySelectorAll("[data-lock]:checked")].map((box) => box.dataset.lock);
  return { scale: Number($("scale").value), yaw_deg: Number($("yaw").value) || 0, hand: $("hand").value, locked };
}

// What the server uses, which another page, or an earlier one of this name, may have set.
function drawSettings() {
  for (const field of fields) field.disabled = !link.live || !view?.yours || replaced;
  if (!view || fields.includes(document.activeElement) || performance.now() - changedAt < SETTLE_MS) return;
  const hands = Object.values(view.arms).map((arm) => arm.hand);
  $("scale").value = view.settings.scale;
  set("scale-text", view.settings.scale.toFixed(1));
  $("yaw").value = view.settings.yaw_deg;
  if (hands.length === 1) $("hand").value = hands[0];
  for (const box of document.querySelectorAll("[data-lock]")) box.checked = view.settings.locked.includes(box.dataset.lock);
}

function draw() {
  document.body.classList.toggle("lost", !link.live);
  for (const button of buttons) {
    const name = button.dataset.command;
    button.disabled = name !== "stop" && !allowed(name);
    button.classList.toggle("waiting", commands.has(meant(name)));
  }
  $("take").hidden = Boolean(view?.yours);
  drawSettings();
  if (!link.live) drawSilence();
  else if (view) drawView();
}

// Why nothing comes: a session that was done ends its server.
function silence() {
  if (replaced) return ["Opened elsewhere", "this page moves nothing"];
  if (view?.session.state === "done") return ["The session has ended", "what was recorded lies in the run's folder"];
  return ["The server is silent", "no hand moves an arm; to stop, use the hardware stop"];
}

// What was known of arms and session is old: none of it stays.
function drawSilence() {
  const [word, hint] = silence();
  set("word", word);
  set("hint", hint);
  fill("arms", [], item);
}

function drawView() {
  const { session, collected } = view;
  set("word", session.word);
  set("hint", session.layout && session.state === "ready" ? `${session.hint}. Layout: ${session.layout}` : session.hint);
  set("episode", session.episode ?? "–");
  set("kept", collected.kept === undefined ? "–" : `${collected.kept} (${collected.successes} ✓, ${collected.discarded} ∅)`);
  set("covered", collected.covered?.[1] ? collected.covered.join(" of ") : "–");
  set("round-trip", roundTrip === null ? "–" : `${roundTrip.toFixed(0)} ms`);
  set("seat-text", view.yours ? "You have the hands" : view.driver ? `${view.driver} has the hands` : "Nobody has the hands");
  say(document.querySelector('[data-command="go"] span'), { begin: "Begin", start: "Start", resume: "Resume" }[meant("go")]);
  fill("arms", Object.entries(view.arms), ([name, arm]) => item(
    arm.why ? "lost" : arm.closed ? "closed" : "",
    [`Arm ${name}`, "", "b"], [arm.closed ? `the ${arm.hand} hand moves it` : "holds", ""],
    ...(arm.width_mm === null ? [] : [[`${arm.width_mm} mm open`, ""]]),
    ...(arm.latency_ms === null ? [] : [[`hand to arm ${arm.latency_ms} ms`, "latency"]]),
    ...(arm.why ? [[arm.why, "why"]] : []),
  ));
  for (const camera of cameras.all) drawOverlay(camera.overlay, camera.canvas, session.overlay?.[camera.name] ?? []);
  set("run", `${view.run.task} on ${view.run.rig}, run ${view.run.id}`);
  const now = `${session.word}, episode ${session.episode}`;
  if (now !== shownState) {
    shownState = now;
    set("announce", now);
    document.title = `${session.word} · episode ${session.episode} · ZPRL teleoperation`;
  }
}

// What the wearer reads.
function board() {
  if (!link.live || !view) return [{ text: silence()[0], colour: "#ff8c69" }];
  const arms = Object.entries(view.arms).map(([name, arm]) => {
    const doing = arm.why || (arm.closed ? "follows your hand" : "holds: press the grip");
    const late = arm.latency_ms === null ? "" : `  ${arm.latency_ms} ms`;
    return { text: `${name}: ${doing}${late}`, colour: arm.why ? "#ffb199" : arm.closed ? "#7fe0c6" : "#a9b9c7" };
  });
  const kept = view.collected.kept === undefined ? "" : `   kept ${view.collected.kept}`;
  const { scale, yaw_deg, locked } = view.settings;
  const used = [scale === 1 ? "" : `scale ${scale.toFixed(1)}`, yaw_deg ? `along ${yaw_deg}°` : "", ...locked.map((axis) => `${axis} locked`)];
  const title = { text: [`${view.session.word}   episode ${view.session.episode}${kept}`, ...used.filter(Boolean)].join("   ") };
  return [title, { text: view.yours ? view.session.hint : "another page has the hands", colour: "#a9b9c7" }, ...arms];
}

function key(event) {
  looked();
  const down = event.type === "keydown";
  if (!down) virtual.keys.delete(event.code); // let go is let go, whatever else is pressed and wherever the focus is
  const chord = event.ctrlKey || event.altKey || event.metaKey;
  if (chord) virtual.release(); // some systems swallow the letting go of keys beside these
  const name = event.key === "Escape" ? "stop" : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (name !== "stop" && (chord || event.target.closest("input, select"))) return;
  if (MOVES.has(event.code)) {
    event.preventDefault();
    if (down) virtual.keys.add(event.code);
    return;
  }
  if (!name || !down || event.repeat) return;
  event.preventDefault();
  press(name);
}

// Away from the keyboard nothing is held: keys that are let go elsewhere are not heard. No hand is told until the
// page is looked at again, so that the reason stands until then.
function away(why) {
  isAway = true;
  virtual.release();
  if (!immersive.session) link.send({ type: "let_go", why });
}

function looked() {
  isAway = false;
}

for (const button of buttons) button.addEventListener("click", () => press(button.dataset.command));
document.addEventListener("keydown", key);
document.addEventListener("keyup", key);
document.addEventListener("focusin", (event) => event.target.closest("input, select") && virtual.release());
for (const back of ["focus", "pointerdown"]) window.addEventListener(back, looked);
window.addEventListener("blur", () => away("the page is not looked at"));
document.addEventListener("visibilitychange", () => (document.hidden ? away("the page is hidden") : looked()));
$("take").addEventListener("click", () => link.send({ type: "take" }));
for (const field of fields) {
  field.addEventListener("change", () => {
    changedAt = performance.now();
    link.send({ type: "settings", ...settings() });
    field.blur();
  });
}
$("scale").addEventListener("input", () => set("scale-text", Number($("scale").value).toFixed(1)));
$("enter").addEventListener("click", () => immersive.enter(cameras, board).catch((error) => tell(`VR: ${error.message}`, "refused")));
Immersive.possible().then((why) => {
  $("enter").disabled = Boolean(why);
  set("headset", why || "put the headset on, then press Enter VR");
});
setInterval(draw, 300);
requestAnimationFrame(tick);
