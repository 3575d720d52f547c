// One suspect after the other; what a person chooses stays in this browser, and becomes tables that train reads.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const KEY = `oneglance suspects ${data.key}`;
const KEYS = { k: "keep", c: "correct", u: "unsure" };
let chosen = {}; // number of a suspect -> { choice, cell }
try { chosen = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { /* a browser that keeps nothing for files */ }
let shown = data.suspects.map((_, number) => number);
let at = 0;

function remember() {
  try { localStorage.setItem(KEY, JSON.stringify(chosen)); } catch { /* it stays until the page is closed */ }
}

// ---- one suspect

function show() {
  const number = shown[at];
  const one = data.suspects[number];
  byId("image").textContent = one.image;
  byId("task").textContent = one.task;
  byId("answer").textContent = one.said;
  byId("proposed").textContent = one.proposed;
  byId("reason").textContent = one.reason;
  byId("location").textContent = one.location && `(${one.location})`;
  draw(one);
  const mine = chosen[number];
  const fields = one.cells ? Object.keys(one.cells) : [];
  byId("write").hidden = byId("edit").hidden = fields.length !== 1;
  byId("cell").value = fields.length === 1 ? (mine?.cell ?? one.cells[fields[0]]) : "";
  byId("words").replaceChildren(...(data.words[one.task] || []).map((word) => Object.assign(document.createElement("option"), { value: word })));
  for (const button of document.querySelectorAll("[data-choice]")) {
    button.classList.toggle("chosen", mine?.choice === button.dataset.choice);
    button.disabled = button.dataset.choice === "correct" && !correctable(one);
    button.title = button.disabled ? "no table can say it: correct the source itself" : "";
  }
  tell();
}

const correctable = (one) => one.file !== null && Boolean(one.cells || one.edit);

function draw(one) {
  const box = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const [width, height] = one.size;
  box.setAttribute("viewBox", `0 0 ${width} ${height}`);
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `${one.image}: ${one.said}, or ${one.proposed}`);
  const picture = document.createElementNS(box.namespaceURI, "image");
  picture.setAttribute("href", data.pictures[one.picture]);
  for (const [name, value] of Object.entries({ width, height, preserveAspectRatio: "none" })) picture.setAttribute(name, value);
  box.append(picture);
  const all = data.boxes[one.task]?.[one.picture] || [];
  const around = all.map((edges) => ["other", edges]);
  if (one.answer_box) around.push(["answer", one.answer_box]);
  if (one.proposed_box) around.push(["proposal", one.proposed_box]);
  for (const [kind, [x0, y0, x1, y1]] of around) {
    const rect = document.createElementNS(box.namespaceURI, "rect");
    for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0, class: kind })) rect.setAttribute(name, value);
    box.append(rect);
  }
  byId("figure").replaceChildren(box);
}

function choose(choice) {
  const number = shown[at];
  const one = data.suspects[number];
  if (choice === "correct" && !correctable(one)) return;
  const fields = one.cells ? Object.keys(one.cells) : [];
  const cell = byId("cell").value.trim();
  if (choice === "correct" && fields.length === 1 && !cell) return byId("cell").focus();
  chosen[number] = { choice, ...(choice === "correct" && fields.length === 1 && { cell }) };
  remember();
  move(1);
}

function move(step) {
  byId("cell").blur();
  at = Math.max(0, Math.min(shown.length - 1, at + step));
  show();
}

// ---- tables

const FORMULA = /^'*[=+\-@＝＋－＠]/;
const NUMBER = /^[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?$/;

function cellOf(text) {
  const plain = `${text ?? ""}`.trim();
  const safe = FORMULA.test(plain) && !NUMBER.test(plain) ? `'${plain}` : plain;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csv(columns, rows) {
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((row) => `${row.map(cellOf).join(",")}\n`).join("");
}

function tables() {
  const labels = new Map(); // file -> row
  const boxed = new Map(); // task -> picture -> edits
  for (const [number, { choice, cell }] of Object.entries(chosen)) {
    const one = data.suspects[number];
    if (choice !== "correct" || !one || !correctable(one)) continue;
    if (one.edit) {
      const ofTask = boxed.get(one.task) || boxed.set(one.task, new Map()).get(one.task);
      ofTask.set(one.picture, [...(ofTask.get(one.picture) || []), one]);
    } else {
      const row = labels.get(one.file) || labels.set(one.file, { image: one.file }).get(one.file);
      const fields = Object.keys(one.cells);
      Object.assign(row, fields.length === 1 ? { [fields[0]]: cell } : one.cells);
    }
  }
  const files = [];
  if (labels.size) {
    const rows = [...labels.values()];
    const columns = [...new Set(["image", ...rows.flatMap(Object.keys)])];
    files.push({ name: "corrections.csv", count: rows.length, text: csv(columns, rows), keys: "" });
  }
  for (const [task, pictures] of boxed) {
    const rows = [...pictures].flatMap(([picture, edits]) => rowsOf(task, picture, edits));
    const columns = [...new Set(["image", "label", "xmin", "ymin", "xmax", "ymax", ...rows.flatMap(Object.keys)])];
    files.push({ name: `corrections-${task}.csv`, count: pictures.size, text: csv(columns, rows), keys: data.keys[task] });
  }
  return files;
}

function rowsOf(task, picture, edits) {
  const file = edits[0].file;
  const rows = data.rows[task][picture].map((row) => ({ ...row }));
  for (const { edit } of edits) {
    if (edit.index === null) rows.push({ ...edit.cells });
    else rows[edit.index] = edit.cells && { ...edit.cells };
  }
  const left = rows.filter(Boolean);
  return left.length ? left.map((row) => ({ image: file, ...row })) : [{ image: file }];
}

function save({ name, text }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function tell() {
  const done = Object.keys(chosen).length;
  byId("done").style.width = `${(100 * done) / data.suspects.length}%`;
  byId("count").textContent = `${at + 1} of ${shown.length}, ${done} chosen`;
  const files = tables();
  const counts = Object.values(chosen).map((one) => one.choice);
  const of = (choice) => counts.filter((one) => one === choice).length;
  byId("summary").textContent = `${of("correct")} to correct, ${of("keep")} kept, ${of("unsure")} unsure, ${data.suspects.length - done} not looked at`;
  byId("files").replaceChildren(...files.map((file) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Save ${file.name} (${file.count} picture${file.count === 1 ? "" : "s"})` });
    button.onclick = () => save(file);
    return button;
  }));
  byId("snippet").textContent = files.map((file) => `[[sources]]\npath = "${file.name}"\nwins = true${file.keys && `\n${file.keys}`}`).join("\n\n") || "# nothing is corrected yet";
}

// ---- hands

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.id === "cell") {
    if (event.key === "Enter") choose("correct");
    if (event.key === "Escape") byId("cell").blur();
    return;
  }
  if (event.target.tagName === "SELECT") return;
  const pressed = event.key.toLowerCase();
  if (KEYS[pressed]) choose(KEYS[pressed]);
  else if (pressed === "arrowleft") move(-1);
  else if (pressed === "arrowright") move(1);
  else if (pressed === "e" && !byId("write").hidden) byId("cell").select();
  else return;
  event.preventDefault();
});
for (const button of document.querySelectorAll("[data-choice]")) button.onclick = () => choose(button.dataset.choice);
byId("before").onclick = () => move(-1);
byId("next").onclick = () => move(1);
byId("edit").onclick = () => byId("cell").select();
for (const task of new Set(data.suspects.map((one) => one.task))) byId("only").append(new Option(task, task));
byId("only").onchange = () => {
  shown = data.suspects.flatMap((one, number) => (!byId("only").value || one.task === byId("only").value ? [number] : []));
  at = 0;
  byId("only").blur();
  show();
};
if (data.suspects.length) {
  const open = shown.findIndex((number) => !chosen[number]);
  at = open < 0 ? 0 : open;
  show();
} else byId("review").textContent = "Nothing is suspicious.";
