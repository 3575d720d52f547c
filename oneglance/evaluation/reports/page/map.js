"use strict";
(() => {
  // What the page holds.
  const data = JSON.parse(document.getElementById("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const count = data.names.length;
  const xs = Float32Array.from(new Uint16Array(bytes(data.x).buffer), (step) => step / 65535);
  const ys = Float32Array.from(new Uint16Array(bytes(data.y).buffer), (step) => 1 - step / 65535);
  const slots = new Int32Array(bytes(data.slots).buffer);
  const sizes = bytes(data.sizes);
  const columns = data.columns.map((column) => column.values
    ? { ...column, codes: bytes(column.codes) }
    : { ...column, numbers: new Float32Array(bytes(column.numbers).buffer) });
  const lower = data.names.map((name) => name.toLowerCase());
  const cells = data.across * data.across;
  const sheets = data.sheets.map((sheet) => {
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([bytes(sheet)], { type: "image/jpeg" }));
    image.onload = () => redraw();
    return image;
  });
  data.sheets = data.x = data.y = null;

  const at = (id) => document.getElementById(id);
  const canvas = at("map"), stage = canvas.parentElement, card = at("card"), small = matchMedia("(max-width: 48rem)");
  const context = canvas.getContext("2d", { alpha: false });
  const selected = new Uint8Array(count), faded = new Uint8Array(count), colour = new Uint32Array(count);
  let chosen = 0; // how many are selected
  let hovered = -1;
  let column = null; // the one that colours
  let only = -1; // the code that is shown alone
  let view = { x: 0.5, y: 0.5, zoom: 1 };
  let path = null; // the lasso, in points of the page
  let pixels = null, image = null, ratio = 1, ground = 0, theme = {};

  // Points come in an order that has nothing to do with their group, so that none hides another.
  const order = Uint32Array.from({ length: count }, (_, row) => row);
  for (let row = count - 1, state = 1; row > 0; row--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = state % (row + 1);
    [order[row], order[other]] = [order[other], order[row]];
  }

  // Colours.

  const packed = (red, green, blue) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  const mixed = (first, second, share) => {
    const part = (shift) => Math.round(((first >>> shift) & 255) * (1 - share) + ((second >>> shift) & 255) * share);
    return packed(part(0), part(8), part(16));
  };
  const fromHex = (text) => packed(...[1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16)));
  const css = (value) => `rgb(${value & 255} ${(value >>> 8) & 255} ${(value >>> 16) & 255})`;
  const RAMP = [[0, 48, 84, 150], [0.35, 43, 136, 140], [0.65, 190, 160, 60], [1, 200, 84, 48]];
  const ramp = (share) => {
    const after = Math.max(1, RAMP.findIndex(([place]) => place >= share));
    const [from, ...first] = RAMP[after - 1], [to, ...second] = RAMP[after];
    return mixed(packed(...first), packed(...second), (share - from) / (to - from));
  };

  function readTheme() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => fromHex(style.getPropertyValue(name).trim());
    ground = read("--card");
    theme = { ink: read("--ink"), accent: read("--accent"), unknown: mixed(ground, read("--soft"), 0.45) };
    const first = Array.from({ length: 8 }, (_, code) => read(`--s${code}`));
    theme.words = [...first, ...first.map((one) => mixed(one, theme.ink, 0.5)), ...first.map((one) => mixed(one, ground, 0.5))];
  }

  function coloured() {
    if (!column) {
      colour.fill(theme.words[0]);
    } else if (column.values) {
      for (let row = 0; row < count; row++) colour[row] = theme.words[column.codes[row]] ?? theme.unknown;
    } else {
      const { low, high } = limits(column);
      const shades = Array.from({ length: 64 }, (_, step) => ramp(step / 63));
      for (let row = 0; row < count; row++) {
        const share = (column.numbers[row] - low) / (high - low || 1);
        colour[row] = Number.isNaN(share) ? theme.unknown : shades[Math.round(63 * Math.min(1, Math.max(0, share)))];
      }
    }
    fade();
  }

  // From the second to the 98th percent: a single outlier leaves the others their colours.
  function limits(of) {
    if (of.low === undefined) {
      const known = of.numbers.filter((value) => !Number.isNaN(value)).sort();
      of.low = known[Math.floor(0.02 * (known.length - 1))];
      of.high = known[Math.ceil(0.98 * (known.length - 1))];
    }
    return of;
  }

  function fade() {
    const part = at("filter").value.trim().toLowerCase();
    for (let row = 0; row < count; row++) {
      faded[row] = (only >= 0 && column.codes[row] !== only) || (part && !lower[row].includes(part)) ? 1 : 0;
    }
    redraw();
  }

  // Where things lie, in points of the page.

  const side = () => Math.min(stage.clientWidth, stage.clientHeight) * 0.94 * view.zoom;
  const place = (row) => [
    (xs[row] - view.x) * side() + stage.clientWidth / 2,
    (ys[row] - view.y) * side() + stage.clientHeight / 2,
  ];
  const radius = () => Math.min(9, (count > 20000 ? 1.5 : count > 5000 ? 2 : count > 1000 ? 2.8 : 4) * Math.pow(view.zoom, 0.35));

  function zoomed(factor, x, y) {
    const before = side();
    view.zoom = Math.min(2000, Math.max(0.5, view.zoom * factor));
    const after = side(), right = x - stage.clientWidth / 2, down = y - stage.clientHeight / 2;
    view.x += right / before - right / after;
    view.y += down / before - down / after;
    redraw();
  }

  function moved(x, y) {
    view.x = Math.min(1.2, Math.max(-0.2, view.x - x / side()));
    view.y = Math.min(1.2, Math.max(-0.2, view.y - y / side()));
    redraw();
  }

  function nearest(x, y, reach) {
    let best = reach * reach, row = -1;
    const scale = side(), left = stage.clientWidth / 2 - view.x * scale, top = stage.clientHeight / 2 - view.y * scale;
    for (let one = 0; one < count; one++) {
      const right = xs[one] * scale + left - x, down = ys[one] * scale + top - y;
      const far = right * right + down * down;
      if (far < best && !faded[one]) [best, row] = [far, one];
    }
    return row;
  }

  // Drawing. Points go straight into pixels: that is as fast without a graphics card as with one.

  let asked = false;
  function redraw() {
    if (!asked) {
      asked = true;
      requestAnimationFrame(draw);
    }
  }

  let mask = { key: "" };
  function disc(size, width) {
    const key = `${size} ${width}`;
    if (mask.key === key) return mask;
    const offsets = [], shares = [], reach = Math.ceil(size);
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const share = Math.min(1, Math.max(0, size + 0.5 - Math.hypot(x, y)));
        if (share > 0.05) {
          offsets.push(y * width + x);
          shares.push(Math.round(share * 256));
        }
      }
    }
    mask = { key, reach, offsets: Int32Array.from(offsets), shares: Int32Array.from(shares) };
    return mask;
  }

  function draw() {
    asked = false;
    const width = Math.round(stage.clientWidth * ratio), height = Math.round(stage.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height || !pixels) {
      canvas.width = width;
      canvas.height = height;
      image = context.createImageData(width, height);
      pixels = new Uint32Array(image.data.buffer);
    }
    pixels.fill(ground);
    const { reach, offsets, shares } = disc(Math.round(radius() * ratio * 4) / 4, width);
    const scale = side() * ratio, left = width / 2 - view.x * scale, top = height / 2 - view.y * scale;
    const right = width - reach, bottom = height - reach, inside = [];
    let shown = 0;
    for (const pass of [1, 0]) { // those that are faded lie below
      for (let number = 0; number < count; number++) {
        const row = order[number];
        if (faded[row] !== pass) continue;
        const x = (xs[row] * scale + left) | 0, y = (ys[row] * scale + top) | 0;
        if (x < reach || y < reach || x >= right || y >= bottom) continue;
        const paint = pass || (chosen && !selected[row]) ? mixedFast(ground, colour[row], pass ? 40 : 110) : colour[row];
        if (!pass && shown++ < 150) inside.push(row);
        const start = y * width + x;
        const even = paint & 0xff00ff, odd = (paint >>> 8) & 0xff00ff;
        for (let spot = 0; spot < offsets.length; spot++) {
          const share = shares[spot], pixel = start + offsets[spot];
          if (share === 256) {
            pixels[pixel] = paint;
          } else {
            const under = pixels[pixel], rest = 256 - share;
            pixels[pixel] = ((((under & 0xff00ff) * rest + even * share) >>> 8) & 0xff00ff)
              | (((((under >>> 8) & 0xff00ff) * rest + odd * share) >>> 8) & 0xff00ff) << 8;
          }
        }
      }
    }
    context.putImageData(image, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const tiles = shown <= 150 && view.zoom > 1.5;
    if (tiles) inside.forEach(tile);
    if (chosen && chosen <= 400 && !tiles) for (let row = 0; row < count; row++) if (selected[row]) ring(row, 2, theme.ink);
    if (hovered >= 0) ring(hovered, 5, theme.accent);
    if (path) {
      context.beginPath();
      path.forEach(([x, y]) => context.lineTo(x, y));
      context.closePath();
      context.fillStyle = css(theme.accent).replace(")", " / 0.15)");
      context.strokeStyle = css(theme.accent);
      context.lineWidth = 1.5;
      context.fill();
      context.stroke();
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  function mixedFast(first, second, share) {
    const rest = 256 - share;
    return ((((first & 0xff00ff) * rest + (second & 0xff00ff) * share) >>> 8) & 0xff00ff
      | ((((first >>> 8) & 0xff00ff) * rest + ((second >>> 8) & 0xff00ff) * share) >>> 8 & 0xff00ff) << 8) >>> 0;
  }

  function ring(row, more, paint) {
    const [x, y] = place(row);
    context.beginPath();
    context.arc(x, y, radius() + more, 0, 7);
    context.strokeStyle = css(paint);
    context.lineWidth = 2;
    context.stroke();
  }

  // A thumbnail, fitted into a square around (x, y).
  function thumbnail(into, row, x, y, size) {
    if (slots[row] < 0) return false;
    const sheet = sheets[Math.floor(slots[row] / cells)], cell = slots[row] % cells;
    const width = sizes[2 * row], height = sizes[2 * row + 1], scale = size / Math.max(width, height);
    if (!sheet.complete) return false;
    const left = (cell % data.across) * data.side, top = Math.floor(cell / data.across) * data.side;
    into.drawImage(sheet, left, top, width, height, x - width * scale / 2, y - height * scale / 2, width * scale, height * scale);
    return true;
  }

  function tile(row) {
    const [x, y] = place(row), size = Math.min(96, 40 + 6 * Math.log2(view.zoom));
    if (!thumbnail(context, row, x, y, size)) return;
    const longest = Math.max(sizes[2 * row], sizes[2 * row + 1]);
    const width = size * sizes[2 * row] / longest, height = size * sizes[2 * row + 1] / longest;
    context.strokeStyle = css(selected[row] ? theme.ink : colour[row]);
    context.lineWidth = selected[row] ? 3 : 2;
    context.strokeRect(x - width / 2, y - height / 2, width, height);
  }

  // What is known of one picture.

  const said = (of, row) => {
    if (of.values) return of.values[of.codes[row]] ?? null;
    const value = of.numbers[row];
    return Number.isNaN(value) ? null : `${Number(value.toPrecision(4)).toLocaleString("en")} ${of.unit}`.trim();
  };

  function hover(row, x, y) {
    if (row !== hovered) {
      hovered = row;
      redraw();
    }
    card.hidden = row < 0;
    if (row < 0) return;
    const [picture, text] = card.children, [title, list] = text.children;
    const size = small.matches ? 96 : 180, sharp = Math.min(2, window.devicePixelRatio || 1);
    picture.hidden = slots[row] < 0;
    if (!picture.hidden) {
      const longest = Math.max(sizes[2 * row], sizes[2 * row + 1]);
      const width = size * sizes[2 * row] / longest, height = size * sizes[2 * row + 1] / longest;
      picture.width = width * sharp;
      picture.height = height * sharp;
      picture.style.width = `${width}px`;
      picture.style.height = `${height}px`;
      thumbnail(picture.getContext("2d"), row, picture.width / 2, picture.height / 2, size * sharp);
    }
    title.textContent = data.names[row];
    list.replaceChildren(...columns.filter((one) => said(one, row) !== null).map((one) => {
      const line = document.createElement("div"), term = document.createElement("dt"), value = document.createElement("dd");
      term.textContent = one.title;
      value.textContent = said(one, row);
      line.className = value.textContent === "wrong" ? "wrong" : "";
      line.append(term, value);
      return line;
    }));
    const right = x + 18 + card.offsetWidth > stage.clientWidth ? x - 18 - card.offsetWidth : x + 18;
    const down = Math.max(6, Math.min(y - card.offsetHeight / 2, stage.clientHeight - card.offsetHeight - 6));
    card.style.transform = `translate(${Math.max(6, right)}px, ${down}px)`;
  }

  // Selecting.

  function select(rows, on) {
    for (const row of rows) {
      if (selected[row] !== on) {
        selected[row] = on;
        chosen += on ? 1 : -1;
      }
    }
    at("count").textContent = chosen ? `${chosen.toLocaleString("en")} picture${chosen === 1 ? " is" : "s are"} selected` : "No picture is selected";
    at("save").disabled = at("none").disabled = !chosen;
    showPicked();
    redraw();
  }

  const MOST = 240; // selected pictures that are shown below the map
  function showPicked() {
    const rows = [];
    for (let row = 0; row < count && rows.length < MOST; row++) if (selected[row]) rows.push(row);
    at("picked").replaceChildren(...rows.map((row) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = button.ariaLabel = `Take out ${data.names[row]}`;
      const picture = document.createElement("canvas");
      picture.width = picture.height = 96;
      picture.style.width = picture.style.height = "4.5rem";
      if (thumbnail(picture.getContext("2d"), row, 48, 48, 96)) {
        button.append(picture);
      } else {
        const name = document.createElement("span");
        name.textContent = data.names[row].slice(-40);
        button.append(name);
      }
      button.onclick = () => select([row], 0);
      return button;
    }));
  }

  function inView() {
    const rows = [];
    for (let row = 0; row < count; row++) {
      const [x, y] = place(row);
      if (!faded[row] && x >= 0 && y >= 0 && x < stage.clientWidth && y < stage.clientHeight) rows.push(row);
    }
    return rows;
  }

  function inPath() {
    const rows = [];
    for (let row = 0; row < count; row++) {
      if (faded[row]) continue;
      const [x, y] = place(row);
      let inside = false;
      for (let one = 0, before = path.length - 1; one < path.length; before = one++) {
        const [ax, ay] = path[one], [bx, by] = path[before];
        if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
      }
      if (inside) rows.push(row);
    }
    return rows;
  }

  function save() {
    const cell = (name) => {
      const text = /^'*[=+\-@]/.test(name) ? `'${name}` : name; // no spreadsheet takes it for a formula
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = ["image"];
    for (let row = 0; row < count; row++) if (selected[row]) lines.push(cell(data.folder + data.names[row]));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
    link.download = "selected.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // Pointers: one drags or draws, two zoom.

  const pointers = new Map();
  let drawing = false, lassoing = false, far = 0;
  const here = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, here(event));
    far = 0;
    drawing = pointers.size === 1 && (lassoing || event.shiftKey);
    path = drawing ? [here(event)] : null;
    canvas.classList.toggle("moving", !drawing);
  });

  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = here(event);
    if (!pointers.has(event.pointerId)) {
      hover(nearest(x, y, 14), x, y);
      return;
    }
    const [oldX, oldY] = pointers.get(event.pointerId);
    far += Math.hypot(x - oldX, y - oldY);
    if (pointers.size === 2) {
      const [[ax, ay], [bx, by]] = pointers.values();
      pointers.set(event.pointerId, [x, y]);
      const [[cx, cy], [dx, dy]] = pointers.values();
      moved((cx + dx - ax - bx) / 2, (cy + dy - ay - by) / 2);
      zoomed(Math.hypot(cx - dx, cy - dy) / Math.max(1, Math.hypot(ax - bx, ay - by)), (cx + dx) / 2, (cy + dy) / 2);
      path = null;
      drawing = false;
      return;
    }
    pointers.set(event.pointerId, [x, y]);
    if (drawing) {
      path.push([x, y]);
      redraw();
    } else {
      moved(x - oldX, y - oldY);
    }
    if (far > 6) hover(-1);
  });

  function released(event) {
    if (!pointers.delete(event.pointerId)) return;
    const [x, y] = here(event);
    canvas.classList.remove("moving");
    if (event.type === "pointerup" && far <= 6 && !pointers.size) {
      const row = nearest(x, y, event.pointerType === "mouse" ? 14 : 26);
      if (row >= 0 && (event.pointerType === "mouse" || row === hovered)) select([row], selected[row] ? 0 : 1);
      hover(row, x, y); // a finger first sees the picture, and selects it when it comes again
    } else if (event.type === "pointerup" && drawing && path.length > 2) {
      select(inPath(), event.altKey ? 0 : 1);
    }
    path = null;
    drawing = false;
    redraw();
  }
  canvas.addEventListener("pointerup", released);
  canvas.addEventListener("pointercancel", released);
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && !pointers.size && hover(-1));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoomed(Math.exp(-event.deltaY * lines * 0.0016), ...here(event));
  }, { passive: false });

  // Keys.

  function middle() {
    const x = stage.clientWidth / 2, y = stage.clientHeight / 2, row = nearest(x, y, Math.hypot(x, y));
    hover(row, ...(row < 0 ? [x, y] : place(row)));
    at("live").textContent = row < 0 ? "" : [data.names[row], ...columns.map((one) => said(one, row) === null ? "" : `${one.title} ${said(one, row)}`)].filter(Boolean).join(", ");
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.12 * Math.min(stage.clientWidth, stage.clientHeight);
    const halfway = [stage.clientWidth / 2, stage.clientHeight / 2];
    const does = {
      ArrowLeft: () => moved(step, 0), ArrowRight: () => moved(-step, 0),
      ArrowUp: () => moved(0, step), ArrowDown: () => moved(0, -step),
      "+": () => zoomed(1.4, ...halfway), "=": () => zoomed(1.4, ...halfway), "-": () => zoomed(1 / 1.4, ...halfway), "0": whole,
      Enter: () => hovered >= 0 && select([hovered], selected[hovered] ? 0 : 1), " ": () => hovered >= 0 && select([hovered], selected[hovered] ? 0 : 1),
      v: () => select(inView(), 1), l: () => mode(!lassoing), Escape: () => select(order, 0),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    does();
    if (!["Enter", " ", "v", "V", "l", "L"].includes(event.key)) middle();
  });

  // Buttons, list of colours.

  function whole() {
    view = { x: 0.5, y: 0.5, zoom: 1 };
    redraw();
  }

  function mode(lasso) {
    lassoing = lasso;
    at("lasso").ariaPressed = String(lasso);
    at("move").ariaPressed = String(!lasso);
    canvas.classList.toggle("lasso", lasso);
  }

  function legend() {
    at("by").textContent = column ? column.title : "";
    if (!column) return;
    if (!column.values) {
      const { low, high } = limits(column), bar = document.createElement("li"), ends = document.createElement("li");
      bar.className = "ramp";
      bar.style.background = `linear-gradient(to right, ${RAMP.map(([place, ...parts]) => `rgb(${parts.join(" ")}) ${100 * place}%`).join(", ")})`;
      ends.className = "ends";
      ends.append(...[low, high].map((value) => {
        const end = document.createElement("span");
        end.textContent = `${Number(value.toPrecision(3)).toLocaleString("en")} ${column.unit}`.trim();
        end.style.overflow = "visible";
        end.style.flex = "none";
        return end;
      }));
      at("legend").replaceChildren(bar, ends);
      return;
    }
    const counts = new Uint32Array(256);
    column.codes.forEach((code) => counts[code]++);
    const rows = [...column.values.map((word, code) => [word, code]), ["unknown", 255]].filter(([, code]) => counts[code]);
    at("legend").replaceChildren(...rows.map(([word, code]) => {
      const line = document.createElement("li"), button = document.createElement("button");
      const dot = document.createElement("i"), name = document.createElement("span"), number = document.createElement("small");
      dot.style.background = css(theme.words[code] ?? theme.unknown);
      name.textContent = button.title = word;
      number.textContent = counts[code].toLocaleString("en");
      button.type = "button";
      button.ariaPressed = String(only === code);
      button.append(dot, name, number);
      button.onclick = () => {
        only = only === code ? -1 : code;
        for (const other of at("legend").querySelectorAll("button")) other.ariaPressed = String(only === code && other === button);
        fade();
      };
      line.append(button);
      return line;
    }));
  }

  at("colour").replaceChildren(...columns.map((one, number) => new Option(one.title, number)));
  at("colour").parentElement.hidden = !columns.length;
  at("colour").onchange = () => {
    column = columns[at("colour").value] ?? null;
    only = -1;
    coloured();
    legend();
  };
  at("filter").oninput = fade;
  at("move").onclick = () => mode(false);
  at("lasso").onclick = () => mode(true);
  at("in").onclick = () => zoomed(1.6, stage.clientWidth / 2, stage.clientHeight / 2);
  at("out").onclick = () => zoomed(1 / 1.6, stage.clientWidth / 2, stage.clientHeight / 2);
  at("all").onclick = whole;
  at("view").onclick = () => select(inView(), 1);
  at("none").onclick = () => select(order, 0);
  at("save").onclick = save;

  function fitted() {
    ratio = Math.min(2, window.devicePixelRatio || 1);
    redraw();
  }
  new ResizeObserver(fitted).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readTheme();
    coloured();
    legend();
  });
  readTheme();
  column = columns[0] ?? null;
  coloured();
  legend();
  fitted();
})();
