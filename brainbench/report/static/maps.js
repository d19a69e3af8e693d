// The maps of a row: what a voxel is painted with, what is said of it, and where on the page.
"use strict";

brainbench.maps = (() => {
  const cortex = brainbench.cortex;
  const NAMES = { layers: "layers", r2: "R2", scale: "scale", confidence: "confidence", place: "place" };

  /** A stored panel -> arrays, and which voxel lies on which vertex. */
  function unpack(stored) {
    if (stored.ready) return stored.ready;
    const count = cortex.mesh().count;
    const vertex = cortex.typed(stored.vertex, Uint16Array), right = cortex.bits(stored.right, vertex.length);
    const voxel = new Int32Array(2 * count).fill(-1);
    const place = Array.from(vertex, (v, i) => v + right[i] * count);
    place.forEach((v, i) => (voxel[v] = i));
    const values = {};
    for (const [kind, text] of Object.entries(stored.values)) values[kind] = cortex.typed(text, Float32Array);
    const rois = Object.entries(stored.rois).map(([name, text]) => [name, cortex.bits(text, vertex.length)]);
    const sets = place.map((_, i) => rois.map(([, mask]) => mask[i]).join(""));
    const known = [...new Set(sets)].filter((set) => set.includes("1"));
    const outlines = new Int32Array(2 * count);
    place.forEach((v, i) => (outlines[v] = known.indexOf(sets[i]) + 1));
    const ready = { stored, count, place, vertex, right, voxel, values, rois, outlines, pictures: {} };
    ready.labels = labels(ready);
    ready.rgb = stored.paint ? cortex.bytes(stored.paint) : null;
    ready.best = stored.best ? cortex.typed(stored.best, Uint16Array) : null;
    ready.weights = stored.weights ? cortex.bytes(stored.weights) : null;
    stored.ready = ready;
    return ready;
  }

  /** Where the names of ROIs go: the vertex nearest to the middle at which no name is in the way of another. */
  function labels(panel) {
    const { flat, spread } = cortex.mesh(), found = [];
    const clash = (v, other) => Math.abs(flat[2 * v] - flat[2 * other]) < 17 && Math.abs(flat[2 * v + 1] - flat[2 * other + 1]) < 9;
    for (const [name, mask] of panel.rois) {
      for (const side of [0, 1]) {
        const inside = panel.place.filter((v, i) => mask[i] && panel.right[i] === side && spread[v]);
        if (!inside.length) continue;
        const [mx, my] = [0, 1].map((k) => inside.reduce((sum, v) => sum + flat[2 * v + k], 0) / inside.length);
        const far = (v) => (flat[2 * v] - mx) ** 2 + (flat[2 * v + 1] - my) ** 2;
        inside.sort((a, b) => far(a) - far(b));
        const free = inside.find((v) => !found.some((one) => one.side === side && clash(v, one.vertex)));
        found.push({ name, side, vertex: free === undefined ? inside[0] : free });
      }
    }
    return found;
  }

  function through(values, palette, low, high) {
    const table = cortex.bytes(brainbench.mesh.palettes[palette]), out = new Uint8Array(values.length * 3);
    values.forEach((value, i) => {
      const at = Number.isNaN(value) ? 0 : Math.round(Math.min(1, Math.max(0, (value - low) / (high - low))) * 255);
      for (let k = 0; k < 3; k++) out[3 * i + k] = table[3 * at + k];
    });
    return out;
  }

  function colours(panel, kind, limits) {
    if (kind === "layers") return panel.rgb;
    const [low, high] = limits || panel.stored.limits[kind];
    return through(panel.values[kind], brainbench.mesh.paints[kind], low, high);
  }

  /** What is said of a voxel under the pointer. */
  function told(panel, vertex) {
    const i = panel.voxel[vertex], side = vertex < panel.count ? "left" : "right";
    const lines = [`${side} vertex ${vertex % panel.count}`];
    if (i < 0) return [...lines, "no voxel"];
    const rois = panel.rois.filter(([, mask]) => mask[i]).map(([name]) => name);
    lines.push(`ROI ${rois.join(", ") || "none"}`);
    if (panel.best) lines.push(`layer ${panel.best[i] + 1}: ${panel.stored.layers[panel.best[i]]}`);
    for (const kind of ["confidence", "scale", "r2"]) {
      if (panel.values[kind]) lines.push(`${NAMES[kind]} ${panel.values[kind][i].toFixed(3)}`);
    }
    return lines;
  }

  const sharp = () => Math.min(2, Math.max(1.5, window.devicePixelRatio || 1));

  function flatPicture(panel, width) {
    return (panel.pictures[width] = panel.pictures[width] || cortex.flat(panel.voxel, width));
  }

  /** Paint a flat map as wide as it is shown, and let the pointer ask. */
  function drawFlat(canvas, panel, rgb, { named = true, says = (vertex) => told(panel, vertex) } = {}) {
    const picture = flatPicture(panel, Math.round(Math.min(1400, Math.max(200, canvas.clientWidth * sharp()))));
    cortex.paint(canvas, picture, rgb, panel.voxel, named ? panel.outlines : null, named ? panel.labels : []);
    asked(canvas, () => picture, says);
  }

  function asked(canvas, picture, says) {
    const tip = document.getElementById("tip");
    canvas.onpointerleave = () => (tip.hidden = true);
    canvas.onpointermove = canvas.onpointerdown = (event) => {
      const { width, height, vertex } = picture(), box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * height);
      const found = x >= 0 && y >= 0 && x < width && y < height ? vertex[y * width + x] : -1;
      tip.hidden = found < 0;
      if (found < 0) return;
      tip.replaceChildren(...says(found).map((text) => Object.assign(document.createElement("div"), { textContent: text })));
      const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
      tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, room))}px`;
      tip.style.top = `${event.clientY + 16}px`;
    };
  }

  /** The inflated cortex: drag or arrow keys turn it, + and - or the wheel with Ctrl zoom. */
  function drawSolid(box, panel) {
    const canvas = box.querySelector("canvas"), kind = box.querySelector("[name=kind]"), side = box.querySelector("[name=side]");
    const start = { azimuth: -90, elevation: -20, zoom: 1 };
    const camera = { ...start };
    let picture = null, queued = false;
    const draw = () => {
      queued = false;
      camera.side = side.value;
      const width = Math.round(Math.min(1200, Math.max(200, canvas.clientWidth * sharp())));
      picture = cortex.solid(camera, width, Math.round(0.8 * width));
      cortex.paint(canvas, picture, colours(panel, kind.value), panel.voxel, panel.outlines, panel.labels);
      canvas.dataset.view = `${camera.azimuth} ${camera.elevation} ${camera.zoom.toFixed(2)}`;
    };
    const redraw = () => queued || ((queued = true), requestAnimationFrame(draw));
    const turn = (azimuth, elevation) => {
      camera.azimuth = (camera.azimuth + azimuth + 360) % 360;
      camera.elevation = Math.max(-90, Math.min(90, camera.elevation + elevation));
      redraw();
    };
    const zoom = (factor) => ((camera.zoom = Math.max(0.6, Math.min(5, camera.zoom * factor))), redraw());
    const keys = {
      ArrowLeft: () => turn(-10, 0), ArrowRight: () => turn(10, 0), ArrowUp: () => turn(0, 10), ArrowDown: () => turn(0, -10),
      "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2), Home: () => (Object.assign(camera, start), redraw()),
    };
    canvas.onkeydown = (event) => keys[event.key] && (event.preventDefault(), keys[event.key]());
    canvas.onwheel = (event) => event.ctrlKey && (event.preventDefault(), zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1));
    asked(canvas, () => picture, (vertex) => told(panel, vertex));
    const hover = canvas.onpointermove;
    canvas.onpointerdown = (event) => (canvas.setPointerCapture(event.pointerId), hover(event));
    canvas.onpointermove = (event) => (event.buttons ? turn(-event.movementX / 2, event.movementY / 2) : hover(event));
    for (const control of [kind, side]) control.onchange = redraw;
    for (const button of box.querySelectorAll("[data-view]:not(canvas)")) {
      button.onclick = () => {
        const [azimuth, elevation, only] = button.dataset.view.split(" ");
        side.value = only;
        Object.assign(camera, { azimuth: (azimuth * 1 + 360) % 360, elevation: elevation * 1 });
        redraw();
      };
    }
    draw();
  }

  /** Everything of one panel that is painted; once, when it is first shown. */
  function show(section) {
    if (section.dataset.painted) return;
    section.dataset.painted = "yes";
    const stored = brainbench.rows[section.dataset.row]?.[section.dataset.panel];
    if (!stored?.vertex) return; // without a mesh there is nothing to paint
    const panel = unpack(stored);
    for (const canvas of section.querySelectorAll("canvas[data-map]")) drawFlat(canvas, panel, colours(panel, canvas.dataset.map));
    for (const canvas of section.querySelectorAll("canvas[data-layer]")) {
      const count = panel.stored.layers.length, layer = canvas.dataset.layer * 1;
      const values = Float32Array.from(panel.place, (_, i) => panel.weights[i * count + layer] / 255);
      const says = (v) => [...told(panel, v).slice(0, 2), ...(panel.voxel[v] < 0 ? [] : [`weight ${(values[panel.voxel[v]]).toFixed(2)}`])];
      drawFlat(canvas, panel, through(values, "magma", 0, panel.stored.limits.weights[1]), { named: false, says });
    }
    for (const box of section.querySelectorAll(".solid")) drawSolid(box, panel);
  }

  return { colours, drawFlat, show, through, told, unpack };
})();
