// The page of a training: it asks for the state and draws it. All text goes in as text.

const EVERY = 2000; // milliseconds
const SVG = "http://www.w3.org/2000/svg";
const WORDS = {
  preparing: "getting ready",
  training: "training",
  finished: "finished",
  stopped: "stopped",
  unreadable: "cannot be read just now",
};
const byId = (id) => document.getElementById(id);
let before = "";

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function svg(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

function time(seconds) {
  if (seconds >= 5400) return `${(seconds / 3600).toFixed(1)} h`;
  return seconds >= 90 ? `${Math.round(seconds / 60)} min` : `${Math.max(1, Math.round(seconds))} s`;
}

function plot(one) {
  const box = svg("svg", { viewBox: "0 0 400 280", role: "img", "aria-label": one.title });
  for (const tick of one.y_ticks) {
    box.append(svg("path", { class: "grid", d: `M52 ${tick.at}H388` }), svg("text", { x: 46, y: tick.at + 4, "text-anchor": "end" }, tick.text));
  }
  for (const tick of one.x_ticks) {
    box.append(svg("path", { class: "grid", d: `M${tick.at} 10V238` }), svg("text", { x: tick.at, y: 254, "text-anchor": "middle" }, tick.text));
  }
  box.append(svg("text", { class: "label", x: 220, y: 274, "text-anchor": "middle" }, one.x_label));
  box.append(svg("text", { class: "label", transform: "translate(11 124) rotate(-90)", "text-anchor": "middle" }, one.y_label));
  one.lines.forEach((line, at) => {
    const group = svg("g", { class: `series s${at % 8}${at >= 8 ? " again" : ""}` });
    if (line.path) group.append(svg("path", { class: "line", d: line.path }));
    if (line.dots) group.append(svg("path", { class: line.small ? "dots small" : "dots", d: line.dots }));
    box.append(group);
  });
  const figure = element("figure", { className: "plot" }, element("figcaption", {}, one.title), box);
  if (one.lines.length > 1) {
    figure.append(element("p", { className: "legend" }, ...one.lines.map((line, at) => element("span", { className: `s${at % 8}` }, element("i"), line.name))));
  }
  return figure;
}

function example(one) {
  const answers = Object.entries(one.answers).flatMap(([task, answer]) => [
    element("dt", {}, task),
    element("dd", {}, element("b", {}, answer.truth || "unknown"), element("br"), element("span", {}, answer.answer)),
  ]);
  const picture = one.picture.startsWith("data:image/jpeg;base64,") ? element("img", { src: one.picture, alt: "" }) : element("div", { className: "blank" }, "cannot be read");
  return element("figure", {}, picture, element("dl", {}, ...answers), element("small", {}, one.image));
}

function draw(state) {
  document.title = `${state.run || "a training"} · oneglance`;
  byId("run").textContent = state.run || "a training";
  const facts = [WORDS[state.state] || state.state];
  if (state.doing) facts.push(state.doing);
  if (state.epochs) facts.push(`epoch ${state.epoch} of ${state.epochs}`);
  if (state.state === "training" && state.seconds_left) facts.push(`about ${time(state.seconds_left)} left`);
  if (state.kept) facts.push(`epoch ${state.kept} is the best so far`);
  byId("facts").replaceChildren(...facts.map((fact) => element("span", {}, fact)));
  byId("progress").hidden = !state.epochs;
  byId("progress").setAttribute("aria-valuemax", state.epochs);
  byId("progress").setAttribute("aria-valuenow", state.epoch);
  byId("done").style.width = `${(100 * state.epoch) / (state.epochs || 1)}%`;
  byId("scores").replaceChildren(...state.scores.map((one) => element("div", {}, element("b", {}, one.value), element("span", {}, `${one.task} · ${one.metric}`))));
  byId("plots").replaceChildren(...state.plots.map(plot));
  const examples = state.examples;
  byId("answers").hidden = !examples;
  if (examples) {
    byId("of").textContent = examples.epoch;
    byId("examples").replaceChildren(...examples.pictures.map(example));
  }
  const end = [];
  if (state.report) end.push("Scores on untouched pictures: ", element("a", { href: "report.html" }, "report.html"));
  else if (state.state === "finished") end.push("For scores on untouched pictures and report.html, run ", element("code", {}, state.next));
  else if (state.state === "stopped" && state.next) end.push("What was learned so far becomes a finished run with ", element("code", {}, state.next));
  byId("end").replaceChildren(...end);
}

async function look() {
  let next = EVERY;
  try {
    const reply = await fetch("state");
    const text = await reply.text();
    if (reply.ok && text !== before) {
      draw(JSON.parse(text));
      before = text;
    }
  } catch {
    const state = before ? JSON.parse(before).state : "";
    if (state !== "finished") byId("end").textContent = "The training does not answer any more: it has ended, or was stopped.";
    next = 5 * EVERY;
  }
  setTimeout(look, next);
}

look();
