// The live view's page: shows the frames and states that come over the websocket, and sends what is chosen.
// A message is text (a state, as JSON) or a frame: 4 bytes of length, a header as JSON, then the pictures.
"use strict";

const HEADER_BYTES = 4;
const FIRST_WAIT = 500, LONGEST_WAIT = 8000; // milliseconds between attempts to connect
const byId = (id) => document.getElementById(id);

let socket = null;
let wait = FIRST_WAIT;
let state = null;
let last = -1; // number of the last frame
let skipped = 0;
let queue = Promise.resolve(); // frames are drawn one after another

// The token has become a cookie: it must not stay in the address bar, the history or a bookmark.
if (location.search) history.replaceState(null, "", location.pathname);

function say(text, style) {
  const line = byId("status");
  if (line.textContent !== text) line.textContent = text;
  line.className = `status ${style}`;
}

function send(command) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command));
}

function connect() {
  const address = new URL("stream", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { wait = FIRST_WAIT; last = -1; };
  socket.onmessage = (event) => {
    if (typeof event.data === "string") showState(JSON.parse(event.data));
    else queue = queue.then(() => showFrame(event.data)).catch((error) => console.error(error));
  };
  socket.onclose = lost;
}

async function lost() {
  for (const button of document.querySelectorAll("button")) button.disabled = true;
  let text = "the connection is lost; trying again …";
  try {
    const answer = await fetch("icon.svg", { cache: "no-store" });
    if (answer.status === 401) text = "the server asks for a new token: open the address that it has printed";
  } catch { /* it is not there; it may come back */ }
  say(text, "bad");
  setTimeout(connect, wait);
  wait = Math.min(2 * wait, LONGEST_WAIT);
}

function showState(fresh) {
  state = fresh;
  byId("name").textContent = state.name;
  document.title = `${state.name} live`;
  byId("facts").textContent = `${state.board} · ${state.clock_mhz.toLocaleString("en")} MHz · design ${state.design}`;
  const tier = byId("tier");
  tier.hidden = false;
  tier.textContent = state.tier;
  tier.classList.toggle("simulated", state.simulated);
  byId("power-label").textContent = state.power || "power";
  showButtons(byId("sources"), state.sources.map((source, number) => ({
    text: source.name,
    on: number === state.chosen,
    failed: source.state === "failed",
    title: source.message,
    press: () => send({ source: number }),
  })));
  showButtons(byId("tasks"), state.tasks.map((task) => ({ text: task.name, on: task.on, press: () => turn(task.name) })));
  showPanels();
  const source = state.sources[state.chosen];
  if (state.message) say(state.message, "bad");
  else if (source && source.state === "running") say(`live: ${source.name}`, "good");
  else if (source && source.message) say(source.message, source.state === "failed" ? "bad" : "");
  else say(source ? `opening ${source.name} …` : "waiting …", "");
}

function turn(name) {
  const on = state.tasks.filter((task) => task.on !== (task.name === name)).map((task) => task.name);
  if (on.length) send({ tasks: on });
  else say("one task stays on: turn another one on first", "");
}

// Buttons are kept, not made anew, so that the keyboard's focus stays where it is.
function showButtons(place, wanted) {
  while (place.children.length > wanted.length) place.lastChild.remove();
  wanted.forEach((one, i) => {
    const button = place.children[i] || place.appendChild(document.createElement("button"));
    button.type = "button";
    button.disabled = false;
    if (button.textContent !== one.text) button.textContent = one.text;
    button.setAttribute("aria-pressed", String(one.on));
    button.classList.toggle("failed", Boolean(one.failed));
    button.title = one.title || "";
    button.onclick = one.press;
  });
}

const panelOf = (task) => document.querySelector(`figure[data-task="${CSS.escape(task)}"]`);

function showPanels() {
  for (const task of state.tasks) {
    let panel = panelOf(task.name);
    if (task.on && !panel) {
      panel = byId("panel").content.firstElementChild.cloneNode(true);
      panel.dataset.task = task.name;
      panel.querySelector("b").textContent = task.name;
      panel.querySelector("canvas").setAttribute("aria-label", `Map of the task ${task.name}`);
      const later = state.tasks.slice(state.tasks.indexOf(task) + 1).map((t) => panelOf(t.name)).find(Boolean);
      byId("panels").insertBefore(panel, later || null);
    } else if (!task.on && panel) {
      panel.remove();
      continue;
    }
    if (panel) showLegend(panel, task.classes);
  }
}

function showLegend(panel, classes) {
  const legend = panel.querySelector(".legend");
  if (legend.children.length === classes.length) return;
  legend.replaceChildren(...classes.map(([colour, name]) => {
    const entry = document.createElement("li");
    const swatch = document.createElement("i");
    swatch.style.background = colour;
    entry.append(swatch, name);
    return entry;
  }));
}

async function showFrame(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, HEADER_BYTES, length)));
  let place = HEADER_BYTES + length;
  const parts = header.parts.map((size) => new Uint8Array(data, (place += size) - size, size));
  try {
    await drawFrame(header, parts);
  } finally {
    send({ drawn: header.frame });
  }
}

async function drawFrame(header, parts) {
  if (last >= 0 && header.frame > last) skipped += header.frame - last - 1;
  last = header.frame;
  const pictures = await Promise.all(parts.map((part) => (part.length ? createImageBitmap(new Blob([part])) : null)));
  draw(byId("input"), pictures[0], header.size);
  byId("input").querySelector(".detail").textContent = `${header.size[1]} × ${header.size[0]}`;
  header.tasks.forEach((task, i) => {
    const panel = panelOf(task.task);
    if (panel) showTask(panel, task, pictures[i + 1], header.size);
  });
  for (const picture of pictures) if (picture) picture.close();
  byId("engine").textContent = milliseconds(header.engine_ms);
  byId("total").textContent = milliseconds(header.total_ms);
  byId("fps").textContent = header.fps ? header.fps.toFixed(header.fps < 10 ? 2 : 1) : "–";
  byId("dropped").textContent = `${header.dropped.toLocaleString("en")} · ${skipped.toLocaleString("en")}`;
  byId("power").textContent = header.watts === null ? "–" : `${header.watts.toFixed(2)} W`;
  document.body.dataset.frame = header.frame;
  document.body.dataset.source = header.source;
}

function showTask(panel, task, picture, size) {
  const canvas = panel.querySelector("canvas");
  canvas.hidden = !picture;
  if (picture) draw(panel, picture, size);
  const detail = panel.querySelector(".detail");
  detail.replaceChildren();
  if (task.kind === "values") {
    const ramp = document.createElement("i");
    ramp.className = "ramp";
    ramp.style.background = `linear-gradient(to right, ${state.ramp})`;
    detail.append(plain(task.low), ramp, `${plain(task.high)} · `);
  } else if (task.kind === "none") {
    detail.append("no decoder, so no map · ");
  }
  detail.append(`engine ${milliseconds(task.engine_ms)} · host ${milliseconds(task.host_ms)}`);
  const present = new Set(task.present || []);
  [...panel.querySelector(".legend").children].forEach((entry, i) => entry.classList.toggle("present", present.has(i)));
  panel.querySelector(".scores").replaceChildren(...(task.scores || []).map(([name, share]) => {
    const row = document.createElement("div");
    for (const text of [name, `${(100 * share).toFixed(1)} %`]) row.appendChild(document.createElement("span")).textContent = text;
    return row;
  }));
}

function draw(panel, picture, [height, width]) {
  const canvas = panel.querySelector("canvas");
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    canvas.style.aspectRatio = `${width} / ${height}`;
  }
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, width, height);
}

const milliseconds = (value) => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
const plain = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

connect();
