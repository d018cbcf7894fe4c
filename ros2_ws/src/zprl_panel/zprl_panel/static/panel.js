// The page: shows what the server says, and sends what the operator presses. It decides nothing.

import { drawLengths, drawRate } from "/charts.js";
import { ask } from "/ask.js";
import { Cameras } from "/cameras.js";
import { drawOverlay } from "/overlay.js";
import { Commands, HOW, Link } from "/link.js";
import { cells, fill, icon, item, say, set } from "/text.js";

const KEYS = {
  s: "success", f: "failure", PageDown: "success", PageUp: "failure", a: "abort", u: "undo",
  n: "start", b: "begin", p: "pause", r: "resume", c: "clear",
};
const MOTION = ["start", "begin", "resume", "clear"];
// A label says what a person saw, so it may be pressed while the line is down: it is sent when the line is back.
const KEPT = ["success", "failure", "abort"], KEPT_MS = 10000;
const SHAPES = {
  play: "M12 6l28 18-28 18z",
  bars: "M10 6h10v36H10zM28 6h10v36H28z",
  octagon: "M15 3h18l12 12v18L33 45H15L3 33V15zM21 12v15h6V12zM21 31v6h6v-6z",
  ring: "M24 4a20 20 0 1 1 0 40a20 20 0 1 1 0-40zm0 8a12 12 0 1 0 0 24a12 12 0 1 0 0-24z",
  square: "M6 6h36v36H6z",
  warning: "M24 4l22 40H2zM21.5 18v13h5V18zM21.5 34v5h5v-5z",
  question: "M24 3l21 21-21 21L3 24z",
};
const LOOKS = {
  running: ["play", "go"], resetting: ["play", "wait"], ready: ["ring", "wait"], judging: ["question", "wait"],
  labelled: ["square", "go"], done: ["square", "go"], paused: ["bars", "wait"], idle: ["ring", "go"],
  stopped: ["octagon", "bad"], faulted: ["octagon", "bad"],
};
const SIGNS = { success: "✓ success", failure: "✗ failure", horizon: "□ time up", void: "∅ void" };
const MOST_BANNERS = 4, SIGNS_OF_BANNERS = { error: SHAPES.octagon, task: SHAPES.ring };

const $ = (id) => document.getElementById(id);
const buttons = [...document.querySelectorAll("[data-command]")];
let view = null, history = null, seat = { holder: null, yours: false, you: {} }, run = "";
let horizon = 0, letters = true, replaced = false, announced = new Set(), shownState = "";

const link = new Link({
  open: () => {},
  welcome: (message) => {
    run = message.run;
    cameras.open(message.cameras);
    commands.reconnected();
  },
  view: (message) => { view = message; draw(); },
  history: (message) => { history = message; drawHistory(); },
  seat: (message) => { seat = message; sessionStorage.setItem("seat", seat.yours ? "1" : "0"); draw(); },
  answer: (message) => commands.answered(message),
  notice: (message) => tell(message.text, "refused"),
  invitation: (message) => showInvitation(message),
  picture: (index, jpeg) => cameras.picture(index, jpeg),
  replaced: () => { replaced = true; draw(); },
});

const cameras = new Cameras($("cameras"), (camera) => link.send({ type: "frame", camera }));

const commands = new Commands((message) => link.command(message), (command, how, reason) => {
  const what = command.name === "correct"
    ? `Episode ${command.episode} to ${command.value}` : `${command.name} (episode ${command.episode})`;
  tell(`${what}: ${HOW[how]}${reason ? `. ${reason}` : ""}`, how === "accepted" ? "good" : how);
  draw();
});

function tell(text, kind) {
  const answer = $("answer");
  say(answer, text);
  answer.className = `answer ${kind.replace(" ", "-")}`;
}

function press(name) {
  if (name === "stop") {
    commands.press(run, view?.session.episode ?? 0, "stop");
  } else if (allowed(name)) {
    commands.press(run, view.session.episode, name, "", view.session.state === "running");
  } else {
    tell(`${name}: ${whyNot(name)}`, "refused");
  }
}

function reachable(name) {
  return !replaced && (link.live || (KEPT.includes(name) && link.silence < KEPT_MS));
}

function whyNot(name) {
  if (!reachable(name)) return "the server is silent";
  if (!seat.yours) return seat.you.role === "operator" ? "take control first" : "you can watch and stop";
  if (seat.you.phone && MOTION.includes(name)) return "a phone cannot start a motion";
  return `not possible now: ${view?.session.word ?? "no session"}`;
}

function allowed(name) {
  if (name === "stop") return true;
  const motion = seat.you.phone && MOTION.includes(name);
  return Boolean(reachable(name) && seat.yours && !motion && view?.session.possible.includes(name));
}

function draw() {
  document.body.classList.toggle("lost", !link.live);
  drawSeat();
  for (const button of buttons) {
    const name = button.dataset.command;
    button.disabled = !allowed(name);
    button.classList.toggle("waiting", commands.has(name));
  }
  drawBanners();
  if (view) drawView();
}

function drawView() {
  const session = view.session;
  const [shape, level] = LOOKS[session.state] ?? ["ring", "wait"];
  $("state").dataset.level = level;
  $("state-shape").setAttribute("d", SHAPES[shape]);
  $("state-shape").setAttribute("fill-rule", "evenodd");
  set("word", session.word);
  set("hint", session.layout && session.state === "ready" ? `${session.hint}. Layout: ${session.layout}` : session.hint);
  set("episode", session.episode === null ? "–" : [session.episode, session.place].filter((part) => part !== "").join(" · "));
  set("time", session.motion_s === undefined ? "–" : `${session.motion_s.toFixed(1)} s`);
  set("step", session.horizon ? `${session.steps} / ${session.horizon}` : "–");
  $("progress").value = session.horizon ? session.steps / session.horizon : 0;
  $("window-fact").hidden = session.window_s === null || session.window_s === undefined;
  set("window", `${session.window_s ?? "–"} s`);
  for (const camera of cameras.all) drawOverlay(camera.overlay, camera.canvas, session.overlay?.[camera.name] ?? []);
  if (history && session.horizon !== horizon) drawHistory();
  const stateNow = `${session.word}, episode ${session.episode}`;
  if (stateNow !== shownState) {
    shownState = stateNow;
    set("announce", stateNow);
    document.title = `${session.word} · episode ${session.episode} · ZPRL`;
  }
  fill("system", [...view.devices, ...view.nodes], (thing) =>
    item(thing.ok ? "" : "lost", [thing.ok ? "●" : "▲", ""], [thing.name, ""], [thing.word, "word"]));
  fill("events", view.events.length ? view.events : [{ wall_s: 0, kind: "none", text: "so far", count: 1 }], (event) => {
    const when = event.wall_s ? new Date(1000 * event.wall_s).toLocaleTimeString([], { hour12: false }) : "";
    const times = event.count > 1 ? ` (${event.count} times)` : "";
    return item("", [when, "when", "time"], [event.kind, "", "b"], [event.text + times, ""]);
  });
  drawMotions();
  drawLearning();
  set("run", `${view.run.task} on ${view.run.rig}${view.run.lockstep ? ", simulated time" : ""}, run ${view.run.id}`);
}

// What the arms were told and did in the last episodes; a row beyond a limit of the task has a sign.
function drawMotions() {
  const digits = [2, 1, 0, 2];
  $("motion").hidden = !view.motions.length;
  fill("motions", view.motions, (motion) => {
    const row = document.createElement("tr"), rough = motion.alarms.length > 0;
    row.className = rough ? "rough" : "";
    const pair = (i) => [motion.told[i], motion.did[i]].map((x) => x === null ? "–" : x.toFixed(digits[i])).join(" / ");
    for (const text of [rough ? `▲ ${motion.which}` : motion.which, ...digits.map((_, i) => pair(i))]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  });
}

function drawLearning() {
  const policy = view.policy, learner = view.learner, known = (value) => value ?? "–";
  const rows = [];
  if (policy) {
    rows.push(["lambda at", policy.lambda_scale === null ? "–" : `${Math.round(100 * policy.lambda_scale)} %`]);
    rows.push(["guard", policy.guard || "quiet"], ["perturbation / latent", known(policy.perturbation)]);
    rows.push(["latent distance", known(policy.distance)], ["feature displacement", known(policy.displacement)]);
    rows.push(["planning", `${policy.inference_ms} ms`], ["stalls", policy.stalls]);
  }
  if (learner) {
    rows.push(["updates", `${learner.updates_hz} / s`], ["updates so far", learner.updates]);
    rows.push(["an update takes", `${learner.update_ms} ms`], ["actor version", learner.version]);
    rows.push(["transitions", learner.transitions], ["excluded ones", learner.excluded]);
  }
  rows.push(["disk left", view.disk_gb === null ? "–" : `${view.disk_gb} GB`]);
  cells("learning", rows);
}

function drawSeat() {
  const free = seat.holder === null;
  set("seat-text", seat.yours ? "You have control" : free ? "Nobody has control" : `${seat.holder} has control`);
  const button = $("seat-button");
  say(button, seat.yours ? "Release" : free ? "Take control" : "Take over");
  button.hidden = seat.you.role !== "operator";
  button.disabled = !link.live;
  set("you", seat.you.name ? `you are ${seat.you.name}${seat.you.phone ? ", on a phone" : ""}` : "");
  $("invite").hidden = seat.you.role !== "operator";
}

function drawBanners() {
  const found = view && link.live ? [...view.banners] : [];
  if (replaced) {
    found.unshift({ key: "replaced", level: "error", text: "This page is open in another tab. Reload to use it here." });
  } else if (!link.live) {
    const silent = Math.round(link.silence / 1000);
    const text = `The panel's server is silent for ${silent} s: what you see is old. To stop, use the hardware stop.`;
    found.unshift({ key: "server", level: "error", text });
  }
  const more = found.length - MOST_BANNERS;
  if (more > 0) found.splice(MOST_BANNERS, more, { key: "more", level: "warning", text: `and ${more} more, see Nodes and devices` });
  const nothing = { key: "nothing", level: "quiet", text: "Nothing is missing or stale" };
  const lines = found.length ? found : [nothing];
  if (view?.session.case) lines.push({ key: "case", level: "task", text: `Case ${view.session.case}` });
  fill("banners", lines, (banner) => {
    const line = document.createElement("p");
    line.className = banner.level;
    line.append(icon(SIGNS_OF_BANNERS[banner.level] ?? SHAPES.warning), banner.text);
    if (banner.level === "quiet") line.textContent = banner.text;
    // What is still the matter is not read out again each time its seconds change.
    line.setAttribute("aria-live", announced.has(banner.key) ? "off" : "assertive");
    return line;
  });
  announced = new Set(found.map((banner) => banner.key));
}

function drawHistory() {
  horizon = view?.session.horizon;
  drawRate($("rate"), $("rate-text"), history.curve);
  drawLengths($("length"), $("length-text"), history.lengths, horizon);
  cells("blocks", history.blocks.map((block) => [
    block.name,
    `${block.successes} of ${block.trials}: ${Math.round(100 * block.rate)} % [${Math.round(100 * block.low)}, ${Math.round(100 * block.high)}]`,
  ]));
  fill("episodes", history.episodes, (episode) => {
    const row = document.createElement("tr");
    for (const text of [episode.episode, episode.block, SIGNS[episode.outcome], episode.steps]) {
      row.insertCell().textContent = text;
    }
    row.title = `by ${episode.author}${episode.reason ? `: ${episode.reason}` : ""}`;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = "Correct";
    button.setAttribute("aria-label", `Correct episode ${episode.episode}`);
    button.onclick = () => correct(episode);
    row.insertCell().append(button);
    return row;
  });
}

async function correct(episode) {
  if (!allowed("correct")) {
    tell(`correct: ${whyNot("correct")}`, "refused");
    return;
  }
  const others = Object.keys(SIGNS).filter((outcome) => outcome !== episode.outcome);
  const choices = others.map((outcome) => [outcome, SIGNS[outcome]]);
  const text = `It stands as ${SIGNS[episode.outcome]}, by ${episode.author}. What was it?`;
  const outcome = await ask(`Episode ${episode.episode}`, text, [...choices, ["", "Leave it"]]);
  if (!outcome) return;
  const sure = `Correct episode ${episode.episode} from ${SIGNS[episode.outcome]} to ${SIGNS[outcome]}?`;
  if (await ask("Are you sure?", sure, [["yes", "Yes, correct it"], ["", "No"]])) {
    commands.press(run, episode.episode, "correct", outcome);
  }
}

async function changeSeat() {
  if (seat.yours) {
    link.send({ type: "seat", action: "release" });
  } else if (seat.holder === null) {
    link.send({ type: "seat", action: "take", over: "" });
  } else {
    const from = seat.holder;
    const text = `${from} has control now and will lose it.`;
    if (await ask(`Take over from ${from}?`, text, [["yes", "Take over"], ["", "Cancel"]])) {
      link.send({ type: "seat", action: "take", over: from });
    }
  }
}

async function invite() {
  const text = "A link lets one browser in, once, within an hour.";
  const role = await ask("Invite", text, [["viewer", "A viewer: watches and stops"], ["operator", "An operator"], ["", "Cancel"]]);
  if (role) link.send({ type: "invite", role });
}

function showInvitation(message) {
  ask(`A link for one ${message.role}`, "Open it in the other browser.", [["", "Close"]], message.link);
}

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === " " || event.key === "Escape") {
    // Space never presses the focused button: it stops. Enter presses.
    if (event.key === " ") event.preventDefault();
    if (!event.repeat && event.type === "keydown") press("stop");
    return;
  }
  const name = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!name || event.type !== "keydown" || $("ask").open || (!letters && event.key.length === 1)) return;
  event.preventDefault();
  if (!event.repeat) press(name);
}

for (const button of buttons) button.addEventListener("click", () => press(button.dataset.command));
document.addEventListener("keydown", key);
document.addEventListener("keyup", key);
$("seat-button").addEventListener("click", changeSeat);
$("invite").addEventListener("click", invite);
$("leave").addEventListener("click", async () => {
  await fetch("/out", { method: "POST" });
  location.reload();
});
$("keys").addEventListener("click", () => {
  letters = !letters;
  $("keys").setAttribute("aria-pressed", String(letters));
  say($("keys"), `Letter keys: ${letters ? "on" : "off"}`);
});
setInterval(draw, 300);
