// The page: pictures go to /predict a few at a time, answers become cards. What an answer looks like follows from
// its own shape, never from the type of its task, so a new type that looks like an old one works unasked.

const byId = (id) => document.getElementById(id);
const COLOURS = ["#e6194b", "#0a8f3c", "#1769e0", "#c25700", "#8e24aa", "#00838f", "#b0006d", "#5d6d00"];
const AT_ONCE = 8; // pictures per request
const SIDE = 1024; // pixels of the longer side of a shown picture, at most
const SMALL = 480; // and at least, unless
const ZOOM = 3; // so many times its own size is less: nothing more is to be seen in it
const CURE = "Save it as JPEG or PNG, or choose another picture.";
const AGAIN = "Is the service still running? Then choose the picture again.";
const BARS = 5; // probabilities that are shown before "more"

let model = null;
let key = sessionStorage.getItem("key") || "";
const waiting = [];
let busy = false;

// ---- talking to the service

async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key && { authorization: `Bearer ${key}` }) };
  const reply = await fetch(path, { ...options, headers });
  if (reply.status === 401) byId("ask-key").hidden = false;
  return reply;
}

async function answersOf(files) {
  const form = new FormData();
  for (const file of files) form.append("pictures", file, file.name || "picture.png");
  for (;;) {
    const reply = await ask("predict", { method: "POST", body: form });
    const body = await reply.json().catch(() => ({ error: `the service says ${reply.status}` }));
    if (reply.status === 503) {
      const seconds = Number(reply.headers.get("retry-after")) || 1;
      say(`The service is busy; trying again in ${seconds} s`);
      await new Promise((done) => setTimeout(done, seconds * 1000));
      continue;
    }
    return body.pictures || files.map((file) => ({ image: file.name, error: body.error || `the service says ${reply.status}`, cure: AGAIN }));
  }
}

async function start() {
  const reply = await ask("model").catch(() => null);
  if (!reply || !reply.ok) {
    byId("model").textContent = reply ? "" : "The service does not answer. Start it with oneglance serve, then reload this page.";
    return;
  }
  model = await reply.json();
  byId("ask-key").hidden = true;
  byId("model").replaceChildren(apart(model.name), " answers: ", ...listed(Object.keys(model.tasks).map(title)));
  work();
}

// ---- pictures come in

function take(files) {
  const pictures = [...files].filter((file) => file.type.startsWith("image/") || !file.type);
  const others = files.length - pictures.length;
  if (others) say(`${others} of ${files.length} files are no pictures`);
  for (const file of pictures) {
    const card = element("article", { className: "card" }, element("p", { className: "quiet" }, `${file.name} …`));
    byId("answers").append(card);
    waiting.push({ file, card });
  }
  byId("clear").hidden = !byId("answers").children.length;
  work();
}

async function work() {
  if (busy || !model) return;
  busy = true;
  const most = model.limits.megabytes * 1e6 * 0.95;
  let done = 0;
  while (waiting.length) {
    const batch = [];
    let bytes = 0;
    while (waiting.length && batch.length < Math.min(AT_ONCE, model.limits.pictures)) {
      if (batch.length && bytes + waiting[0].file.size > most) break;
      bytes += waiting[0].file.size;
      batch.push(waiting.shift());
    }
    say(`Looking at ${done + 1} of ${done + batch.length + waiting.length} …`);
    let rows;
    try {
      rows = await answersOf(batch.map((item) => item.file));
    } catch {
      rows = batch.map((item) => ({ image: item.file.name, error: "the service does not answer", cure: AGAIN }));
    }
    await Promise.all(batch.map((item, at) => show(item.card, item.file, rows[at])));
    done += batch.length;
    say(done === 1 ? "1 picture answered" : `${done} pictures answered`);
  }
  busy = false;
}

function say(text) {
  byId("status").textContent = text;
}

// ---- an answer becomes a card

async function show(card, file, row) {
  if (row.error) {
    card.replaceChildren(
      element("div", {}, element("h2", {}, file.name), element("p", { className: "error" }, `${row.error}`), quiet(row.cure || CURE)),
    );
    return;
  }
  const picture = await bitmap(file, row);
  const view = { card, file, row, picture, canvas: element("canvas"), lit: -1, edited: null, why: null };
  view.canvas.setAttribute("role", "img");
  view.boxes = Object.values(row.answers).flatMap((answer) => answer.boxes || []);
  view.labels = [...new Set(view.boxes.map((box) => box.label))].sort();
  view.canvas.setAttribute("aria-label", `${file.name}, ${view.boxes.length} boxes`);
  draw(view);
  const side = element("div");
  read(view, side);
  card.replaceChildren(element("figure", {}, view.canvas), side);
}

async function bitmap(file, row) {
  const side = Math.max(row.width, row.height);
  const scale = Math.min(Math.max(1, SMALL / side), SIDE / side, ZOOM);
  const size = { width: Math.max(1, Math.round(row.width * scale)), height: Math.max(1, Math.round(row.height * scale)) };
  const source = await createImageBitmap(file, { resizeWidth: size.width, resizeHeight: size.height, resizeQuality: scale > 2 ? "pixelated" : "high" }).catch(() => null);
  return { ...size, scale, source };
}

function read(view, side) {
  const { row } = view;
  const parts = [element("header", {}, element("h2", {}, view.file.name), quiet(`${row.width} × ${row.height} pixels`))];
  if (row.unknown) {
    // Of several networks, each judges for its own tasks.
    const doubted = Object.values(row.networks || {}).filter((one) => one.unknown).flatMap((one) => one.tasks);
    const share = row.unfamiliar === undefined ? "" : ` It is less familiar than ${percent(row.unfamiliar)} of the pictures it was checked with.`;
    parts.push(element("p", { className: "note" }, element("strong", {}, "I don’t know this kind of picture."), ` Do not rely on ${doubted.length ? `the answers to ${doubted.join(", ")}` : "these answers"}.${share}`));
  }
  for (const [name, answer] of Object.entries(row.answers)) {
    const several = answer.values || answer.boxes; // each of these has a button of its own
    const head = element("div", { className: "row between-words" }, element("h3", { title: name }, title(name)), ...(several ? [] : [whyButton(view, name, 0)]));
    parts.push(element("section", { className: "answer" }, head, ...contentOf(answer, view, name)));
  }
  if (model.corrections) {
    const button = element("button", { type: "button" }, "Correct these answers");
    button.onclick = () => correct(view, side);
    parts.push(element("div", { className: "foot row" }, button));
  }
  side.replaceChildren(...parts);
}

function contentOf(answer, view, name) {
  if (answer.boxes) return [boxList(answer.boxes, view, name)];
  if (answer.values) {
    const words = answer.values.length ? listed(answer.values) : ["none"];
    const why = element("div", { className: "row" }, ...answer.values.map((word, at) => whyButton(view, name, at, word)));
    return [element("div", { className: "value" }, ...words), why, bars(answer.probabilities, answer.values), ...promised(answer)];
  }
  if (answer.vector) {
    return [element("details", {}, element("summary", {}, `${answer.vector.length} numbers`), element("pre", {}, answer.vector.map((n) => n.toFixed(4)).join(" ")))];
  }
  if (answer.probabilities) return [element("div", { className: "value" }, `${answer.value}`), bars(answer.probabilities, [answer.value]), ...promised(answer)];
  return [element("div", { className: "value" }, short(answer.value), " ", apart(answer.unit || "")), ...interval(answer)];
}

// What the set of an answer promises, where it says more than the answer itself.
function promised(answer) {
  const { set, values, coverage } = answer;
  if (!set || !(values ? set.some((word) => !values.includes(word)) : set.length > 1)) return [];
  const words = values ? `${percent(coverage)} of the tags that apply are among` : `${percent(coverage)} of the time it is one of`;
  return [element("p", { className: "quiet" }, `${words}: ${set.join(", ")}`)];
}

function bars(probabilities, chosen) {
  const order = Object.entries(probabilities || {}).sort((a, b) => b[1] - a[1]);
  const lines = order.map(([name, share]) => {
    const fill = element("div", { className: "fill" });
    fill.style.width = `${100 * share}%`;
    const line = element("li", { className: chosen.includes(name) ? "chosen" : "" },
      element("span", { className: "name", title: name }, name),
      element("div", { className: "track" }, fill),
      element("span", { className: "share" }, percent(share)));
    return line;
  });
  const shown = element("ul", { className: "bars" }, ...lines.slice(0, BARS));
  if (lines.length <= BARS) return shown;
  const more = element("details", {}, element("summary", {}, `${lines.length - BARS} more`), element("ul", { className: "bars" }, ...lines.slice(BARS)));
  return element("div", {}, shown, more);
}

function interval(answer) {
  const { value, low, high } = answer;
  if (low === null || low === undefined || !(high > low)) return [];
  const mark = element("i");
  mark.style.left = `${(100 * (value - low)) / (high - low)}%`;
  return [
    element("div", { className: "range" }, mark),
    element("div", { className: "ends quiet" }, element("span", {}, short(low)), element("span", {}, "9 times in 10 between"), element("span", {}, short(high))),
  ];
}

function boxList(boxes, view, name) {
  if (!boxes.length) return element("p", {}, "nothing found");
  const lines = boxes.map((box, at) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = colour(view, box.label);
    const words = Object.entries(box.attributes || {}).flatMap(([name, result], at) => [
      at ? "; " : " ", `${title(name)}: `, ...(result.values ? listed(result.values) : [apart(short(result.value)), apart(result.unit ? ` ${result.unit}` : "")]),
    ]);
    const line = element("button", { type: "button" }, swatch,
      element("span", {}, apart(box.label), element("span", { className: "quiet" }, ...words)),
      element("span", { className: "share" }, percent(box.confidence)));
    const light = (on) => { view.lit = on ? view.boxes.indexOf(box) : -1; draw(view); };
    line.onmouseenter = line.onfocus = () => light(true);
    line.onmouseleave = line.onblur = () => light(false);
    return element("li", {}, line, whyButton(view, name, at, "", `${box.label}, box ${at + 1}`));
  });
  const counts = view.labels.flatMap((label, at) => [
    at ? ", " : "", `${boxes.filter((box) => box.label === label).length} × `, apart(label),
  ]);
  return element("div", {}, element("div", { className: "value" }, ...counts), element("ul", { className: "boxes" }, ...lines));
}

// ---- what an answer rests on

// A button that lays a map over the picture, and takes it away again. The service makes the map at the first click.
function whyButton(view, task, number, word = "", spoken = word || title(task)) {
  const button = element("button", { type: "button", className: "why" }, "why", ...(word ? [" ", apart(word)] : []), "?");
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-label", `why ${spoken}?`);
  let heat = null;
  button.onclick = async () => {
    const again = view.why && view.why.button === button;
    showWhy(view, null);
    if (again) return;
    if (!heat) {
      button.disabled = true;
      say(`Asking why …`);
      const result = await mapOf(view, task, number);
      button.disabled = false;
      say(result.error || "");
      if (result.error) return;
      heat = new Image();
      heat.src = result.map;
      await heat.decode();
    }
    showWhy(view, { button, heat });
    say(`Warm colours lie where the answer rests: ${spoken}`);
  };
  return button;
}

async function mapOf(view, task, number) {
  const body = JSON.stringify({ name: view.file.name, data: await base64(view.file), task, answer: number });
  const reply = await ask("explain", { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => null);
  if (!reply) return { error: "the service does not answer" };
  const result = await reply.json().catch(() => ({}));
  return reply.ok ? result : { error: result.error || `the service says ${reply.status}` };
}

function showWhy(view, why) {
  if (view.why) view.why.button.setAttribute("aria-pressed", "false");
  view.why = why;
  if (why) why.button.setAttribute("aria-pressed", "true");
  draw(view);
}

// ---- boxes on the picture

function draw(view) {
  const { canvas, picture } = view;
  canvas.width = picture.width;
  canvas.height = picture.height;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = picture.scale <= 2; // pixels of a tiny picture stay pixels
  if (picture.source) {
    pen.filter = view.why ? "saturate(0.3)" : "none"; // under a map the picture is pale
    pen.drawImage(picture.source, 0, 0, picture.width, picture.height);
    pen.filter = "none";
  } else {
    pen.fillStyle = "#888";
    pen.fillRect(0, 0, picture.width, picture.height);
  }
  if (view.why) {
    pen.imageSmoothingEnabled = true;
    pen.drawImage(view.why.heat, 0, 0, picture.width, picture.height);
  }
  const boxes = view.edited || view.boxes;
  const thick = Math.max(1.5, picture.width / 400);
  const size = Math.max(11, picture.width / 55);
  boxes.forEach((box, at) => {
    const [x0, y0, x1, y1] = box.box.map((edge) => edge * picture.scale);
    pen.globalAlpha = view.lit < 0 || view.lit === at ? 1 : 0.25;
    pen.lineWidth = view.lit === at ? 2 * thick : thick;
    pen.strokeStyle = colour(view, box.label);
    pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  });
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const placed = [];
  boxes.forEach((box, at) => {
    if (boxes.length > 25 && view.lit !== at) return; // their names would hide the picture
    const [x0, y0] = box.box.map((edge) => edge * picture.scale);
    const name = { x0: x0 - thick / 2, width: pen.measureText(box.label).width + size * 0.6 };
    name.top = freeTop(name, y0, size * 1.35, placed, picture.height);
    placed.push(name);
    pen.globalAlpha = view.lit < 0 || view.lit === at ? 1 : 0.25;
    pen.fillStyle = colour(view, box.label);
    pen.fillRect(name.x0, name.top, name.width, size * 1.35);
    pen.fillStyle = "#fff";
    pen.fillText(box.label, x0 + size * 0.3, name.top + size);
  });
  pen.globalAlpha = 1;
}

// Where the name of a box may stand without hiding another: above its upper edge, else higher, else below it.
function freeTop(name, edge, height, placed, lowest) {
  const usual = Math.max(0, edge - height);
  const rows = [0, -1, 1, -2, 2, 3, 4].map((row) => usual + row * height);
  const free = (top) => placed.every((other) => Math.abs(other.top - top) >= height - 1
    || other.x0 >= name.x0 + name.width || name.x0 >= other.x0 + other.width);
  return rows.find((top) => top >= 0 && top + height <= lowest && free(top)) ?? usual;
}

function colour(view, label) {
  const known = Object.values(model.tasks).flatMap((task) => task.classes || []);
  const at = known.indexOf(label);
  return COLOURS[(at < 0 ? known.length + view.labels.indexOf(label) + 1 : at) % COLOURS.length];
}

// ---- corrections

function correct(view, side) {
  showWhy(view, null);
  const form = element("form", {}, element("header", {}, element("h2", {}, view.file.name), quiet("Only what you change is kept; all else stays unknown.")));
  const fields = [];
  for (const [name, answer] of Object.entries(view.row.answers)) {
    const field = editor(name, answer, view);
    if (!field) continue;
    fields.push({ name, ...field });
    form.append(element("fieldset", { className: "answer" }, element("legend", { title: name }, title(name)), field.node));
  }
  const message = element("p", { className: "quiet" });
  message.setAttribute("role", "status");
  const back = element("button", { type: "button" }, "Cancel");
  back.onclick = () => finish();
  const confirm = element("label", { className: "check" }, element("input", { type: "checkbox", name: "all" }), "all other answers are right too");
  form.append(element("div", { className: "foot" }, confirm, element("div", { className: "row" }, element("button", { className: "first" }, "Keep"), back), message));
  const finish = (note) => {
    view.edited = null;
    view.canvas.className = "";
    view.canvas.onpointerdown = null;
    draw(view);
    read(view, side);
    if (note) side.querySelector(".foot").append(quiet(note));
    side.querySelector(".foot button").focus();
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const all = form.elements.all.checked;
    const answers = Object.fromEntries(fields.filter((field) => all || field.changed()).map((field) => [field.name, field.answer()]));
    if (!Object.keys(answers).length) {
      message.textContent = "Nothing was changed.";
      return;
    }
    const body = JSON.stringify({ name: view.file.name, data: await base64(view.file), answers });
    const reply = await ask("corrections", { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => null);
    const result = reply ? await reply.json().catch(() => ({})) : { error: "the service does not answer" };
    if (reply && reply.ok) {
      for (const field of fields) if (Object.hasOwn(answers, field.name)) field.apply(answers[field.name]);
      view.boxes = Object.values(view.row.answers).flatMap((answer) => answer.boxes || []);
      view.labels = [...new Set(view.boxes.map((box) => box.label))].sort();
      finish(`Kept in ${result.table}`);
    } else {
      message.className = "error";
      message.textContent = result.error || "it could not be kept";
    }
  };
  side.replaceChildren(form);
  form.querySelector("input, button").focus();
}

function editor(name, answer, view) {
  if (answer.boxes) return boxEditor(name, answer, view);
  if (answer.values) return tagEditor(answer);
  if (answer.value === undefined) return null;
  return answer.probabilities ? labelEditor(name, answer) : numberEditor(answer);
}

function labelEditor(name, answer) {
  const list = element("datalist", { id: `of-${name}-${Math.random()}` }, ...Object.keys(answer.probabilities).map((word) => element("option", { value: word })));
  const input = element("input", { value: `${answer.value}`, required: true });
  input.setAttribute("list", list.id);
  input.setAttribute("aria-label", name);
  input.onfocus = () => input.select();
  return {
    node: element("div", {}, input, list),
    changed: () => input.value.trim() !== `${answer.value}`,
    answer: () => ({ value: input.value.trim() }),
    apply: (result) => Object.assign(answer, { value: result.value, probabilities: { [result.value]: 1 }, set: null }),
  };
}

function numberEditor(answer) {
  const before = short(answer.value);
  const input = element("input", { type: "number", step: "any", value: before, required: true });
  return {
    node: element("label", { className: "row" }, input, answer.unit || ""),
    changed: () => input.value !== before,
    answer: () => ({ value: input.value === before ? answer.value : Number(input.value) }),
    apply: (result) => Object.assign(answer, { value: result.value, low: null, high: null }),
  };
}

function tagEditor(answer) {
  const boxes = Object.keys(answer.probabilities).map((word) => element("input", { type: "checkbox", value: word, checked: answer.values.includes(word) }));
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  return {
    node: element("div", {}, ...boxes.map((box) => element("label", { className: "check" }, box, box.value))),
    changed: () => chosen().join("\n") !== answer.values.join("\n"),
    answer: () => ({ values: chosen() }),
    apply: (result) => Object.assign(answer, { values: result.values, probabilities: Object.fromEntries(Object.keys(answer.probabilities).map((word) => [word, result.values.includes(word) ? 1 : 0])), set: null }),
  };
}

function boxEditor(name, answer, view) {
  view.edited = answer.boxes.map((box) => ({ ...box }));
  const before = JSON.stringify(view.edited);
  const classes = model.tasks[name].classes || view.labels;
  const list = element("div", { className: "boxes" });
  const refresh = () => {
    list.replaceChildren(...view.edited.map(line));
    draw(view);
  };
  const line = (box, at) => {
    const label = element("select", {}, ...[...new Set([...classes, box.label])].map((word) => element("option", { value: word, selected: word === box.label }, word)));
    label.setAttribute("aria-label", `class of box ${at + 1}`);
    label.onchange = () => { box.label = label.value; draw(view); };
    const gone = element("button", { type: "button" }, "Remove");
    gone.setAttribute("aria-label", `remove box ${at + 1}, ${box.label}`);
    gone.onclick = () => { view.edited.splice(at, 1); view.lit = -1; refresh(); };
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = colour(view, box.label);
    const row = element("div", { className: "edit" }, swatch, label, gone);
    row.onmouseenter = row.onfocusin = () => { view.lit = at; draw(view); };
    row.onmouseleave = () => { view.lit = -1; draw(view); };
    return row;
  };
  const add = (corners) => {
    const [x0, y0, x1, y1] = corners;
    const box = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
    const sides = [view.row.width, view.row.height, view.row.width, view.row.height];
    const inside = box.map((edge, at) => Math.round(Math.min(Math.max(edge, 0), sides[at]) * 10) / 10);
    if (inside[2] - inside[0] < 1 || inside[3] - inside[1] < 1) return;
    view.edited.push({ box: inside, label: classes[0], confidence: 1, attributes: {} });
    refresh();
  };
  listenToDrawing(view, add);
  const edges = element("input", { placeholder: "left, top, right, bottom" });
  edges.setAttribute("aria-label", "edges of a new box in pixels: left, top, right, bottom");
  const put = element("button", { type: "button" }, "Add box");
  put.onclick = () => {
    const corners = edges.value.split(/[\s,;]+/).map(Number);
    if (corners.length === 4 && corners.every(Number.isFinite)) { add(corners); edges.value = ""; }
  };
  refresh();
  return {
    node: element("div", {}, quiet("Draw on the picture to add a box, or type its edges."), list, element("div", { className: "edit" }, edges, put)),
    changed: () => JSON.stringify(view.edited) !== before,
    answer: () => ({ boxes: view.edited.map((box) => ({ box: box.box, label: box.label, attributes: plain(box.attributes) })) }),
    apply: () => { answer.boxes = view.edited; },
  };
}

// What the tables hold of an attribute: its value, not how sure the network was.
function plain(attributes) {
  return Object.fromEntries(Object.entries(attributes || {}).map(([name, result]) => [name, result.values ? { values: result.values } : { value: result.value }]));
}

function listenToDrawing(view, add) {
  const { canvas, picture } = view;
  canvas.className = "drawing";
  canvas.onpointerdown = (down) => {
    canvas.setPointerCapture(down.pointerId);
    const place = (event) => {
      const frame = canvas.getBoundingClientRect();
      const wide = picture.width / frame.width / picture.scale; // pixels of the picture per pixel of the page
      return [(event.clientX - frame.left) * wide, (event.clientY - frame.top) * wide];
    };
    const from = place(down);
    canvas.onpointermove = (event) => {
      const to = place(event);
      draw(view);
      const pen = canvas.getContext("2d");
      pen.lineWidth = Math.max(2, picture.width / 300);
      pen.setLineDash([6, 4]);
      pen.strokeStyle = "#fff";
      pen.strokeRect(...[from[0], from[1], to[0] - from[0], to[1] - from[1]].map((edge) => edge * picture.scale));
    };
    canvas.onpointerup = (up) => {
      canvas.onpointermove = canvas.onpointerup = canvas.onpointercancel = null;
      draw(view);
      add([...from, ...place(up)]);
    };
    canvas.onpointercancel = () => {
      canvas.onpointermove = canvas.onpointerup = canvas.onpointercancel = null;
      draw(view);
    };
  };
}

function base64(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = failed;
    reader.readAsDataURL(file);
  });
}

// ---- small things

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children); // text stays text: nothing that a picture or a class is called becomes HTML
  return made;
}

// A name apart from the text around it: one that runs from right to left turns nothing else around.
const apart = (name) => element("bdi", {}, name);
const listed = (names) => names.flatMap((name, at) => (at ? [", ", apart(name)] : [apart(name)]));
const title = (name) => name.replaceAll("_", " ").trim() || name; // of a task, for people; CSS writes its first letter large
const quiet = (text) => element("p", { className: "quiet" }, text);
const percent = (share) => (share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`);
const short = (value) => (typeof value === "number" ? `${Number(value.toPrecision(4))}` : `${value}`);

// ---- listening

const drop = byId("drop");
byId("choose").onclick = () => byId("files").click();
byId("files").onchange = (event) => { take(event.target.files); event.target.value = ""; };
addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});
addEventListener("paste", (event) => { if (event.clipboardData.files.length) take(event.clipboardData.files); });
byId("clear").onclick = () => {
  waiting.length = 0;
  byId("answers").replaceChildren();
  byId("clear").hidden = true;
  say("");
};
byId("ask-key").onsubmit = (event) => {
  event.preventDefault();
  key = byId("key").value.trim();
  sessionStorage.setItem("key", key);
  start();
};

let stream = null;
const stop = () => {
  if (stream) for (const track of stream.getTracks()) track.stop();
  stream = null;
  byId("live").hidden = true;
};
byId("camera").hidden = !(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
byId("camera").onclick = async () => {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    say("The camera cannot be used: the browser does not allow it, or there is none");
    return;
  }
  byId("live").hidden = false;
  byId("video").srcObject = stream;
  await byId("video").play();
};
byId("stop").onclick = stop;
byId("shoot").onclick = () => {
  const video = byId("video");
  const shot = element("canvas", { width: video.videoWidth, height: video.videoHeight });
  shot.getContext("2d").drawImage(video, 0, 0);
  shot.toBlob((blob) => take([new File([blob], `camera ${new Date().toLocaleTimeString()}.jpg`, { type: "image/jpeg" })]), "image/jpeg", 0.92);
  stop();
};

start();
