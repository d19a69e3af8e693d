// Two rows side by side, and their difference, voxel by voxel and ROI by ROI.
"use strict";

(() => {
  const NAMES = { layers: "layer", r2: "R2", scale: "scale" };
  // Layers of two networks have no common number: their difference is that of the place between first and last layer.
  const DIFFERENCE = { layers: "place", r2: "r2", scale: "scale" };

  function loaded(row) {
    if (brainbench.rows[row]) return Promise.resolve(brainbench.rows[row]);
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = `data/${row}.js`;
      script.onload = () => done(brainbench.rows[row]);
      script.onerror = failed;
      document.head.append(script);
    });
  }

  // Zero has no sign.
  const signed = (value) => (Math.abs(value) < 0.0005 ? "0.000" : `${value > 0 ? "+" : ""}${value.toFixed(3)}`);

  const largest = (values) => {
    const sorted = Array.from(values, Math.abs).filter(Number.isFinite).sort((a, b) => a - b);
    return Math.max(sorted[Math.floor(0.99 * (sorted.length - 1))] || 0, 0.01);
  };

  /** The voxels that both have, with the difference of a figure, as a panel of its own. */
  function difference(a, b, kind) {
    const rows = a.place.map((v, i) => [i, b.voxel[v]]).filter(([, j]) => j >= 0);
    const voxel = new Int32Array(2 * a.count).fill(-1);
    rows.forEach(([i], k) => (voxel[a.place[i]] = k));
    const values = Float32Array.from(rows, ([i, j]) => a.values[kind][i] - b.values[kind][j]);
    return { ...a, voxel, values: { [kind]: values }, pictures: {} };
  }

  function begin(box) {
    const select = (name) => box.querySelector(`[name=${name}]`);
    const canvas = (name) => box.querySelector(`canvas[data-side=${name}]`);
  
    async function draw() {
      const names = ["first", "second"].map((name) => select(name).selectedOptions[0].textContent);
      const [first, second] = await Promise.all(["first", "second"].map((name) => loaded(select(name).value)));
      const whose = select("panel").value, kind = select("kind").value;
      const stored = [first[whose], second[whose]];
      const missing = names.filter((_, i) => !stored[i]);
      box.querySelector(".said").textContent = missing.length
        ? `Nothing is kept of ${select("panel").selectedOptions[0].textContent} for ${missing.join(" and ")}.` : "";
      box.querySelector(".both").hidden = missing.length > 0;
      if (missing.length) return;
      table(stored, names);
      if (!stored[0].vertex) scatter(stored, names, DIFFERENCE[kind]);
      const maps = box.querySelector(".maps");
      const able = stored.every((one) => one.vertex && (kind === "layers" ? one.paint : one.values[kind]));
      if (maps) maps.hidden = !able;
      if (maps && able) paint(stored.map(brainbench.maps.unpack), names, kind);
      else if (maps) box.querySelector(".said").textContent = `One of them has no ${NAMES[kind]} per voxel.`;
    }

    /** Without a mesh, every voxel is a point: what the first has of a figure against what the second has. */
    function scatter(stored, names, figure) {
      const plot = box.querySelector("canvas[data-side=scatter]");
      const [x, y] = stored.map((one) => one.values[figure] && brainbench.cortex.typed(one.values[figure], Float32Array));
      plot.closest("figure").hidden = !x || !y || x.length !== y.length;
      if (plot.closest("figure").hidden) return;
      const known = [...x.keys()].filter((i) => Number.isFinite(x[i]) && Number.isFinite(y[i]));
      const low = Math.min(0, ...known.map((i) => Math.min(x[i], y[i]))), high = Math.max(...known.map((i) => Math.max(x[i], y[i])), 0.01);
      const size = (plot.width = plot.height = 640), edge = 60, pen = plot.getContext("2d");
      const at = (value) => edge + ((value - low) / (high - low)) * (size - edge - 20);
      const style = getComputedStyle(plot);
      pen.font = "20px system-ui, sans-serif";
      pen.strokeStyle = pen.fillStyle = style.color;
      pen.beginPath();
      pen.moveTo(at(low), size - at(low)), pen.lineTo(at(high), size - at(high)); // as good in both
      pen.moveTo(edge, 20), pen.lineTo(edge, size - edge), pen.lineTo(size - 20, size - edge);
      pen.stroke();
      [low, high].forEach((value, i) => {
        pen.textAlign = i ? "right" : "left";
        pen.fillText(value.toFixed(2), i ? size - 20 : edge, size - edge + 24);
        pen.textAlign = "right";
        pen.fillText(value.toFixed(2), edge - 6, i ? 36 : size - edge);
      });
      pen.fillStyle = style.getPropertyValue("--mean");
      pen.globalAlpha = 0.6;
      for (const i of known) pen.fillRect(at(x[i]) - 4, size - at(y[i]) - 4, 8, 8);
      box.querySelector("[data-caption=scatter]").textContent =
        `Every voxel's ${figure === "place" ? "place of the layers" : NAMES[figure]}: ${names[0]} to the right, ${names[1]} upwards; line: alike in both.`;
      plot.dataset.points = known.length;
    }

    function paint([a, b], names, kind) {
      const shared = kind === "layers" ? null : [0, Math.max(a.stored.limits[kind][1], b.stored.limits[kind][1])];
      [["first", a], ["second", b]].forEach(([name, panel], i) => {
        brainbench.maps.drawFlat(canvas(name), panel, brainbench.maps.colours(panel, kind, shared));
        box.querySelector(`[data-caption=${name}]`).textContent = `${names[i]}: ${NAMES[kind]}`;
      });
      const figure = DIFFERENCE[kind], less = difference(a, b, figure), top = largest(less.values[figure]);
      const says = (v) => [...brainbench.maps.told(a, v).slice(0, 2),
        ...(less.voxel[v] < 0 ? [] : [`difference ${less.values[figure][less.voxel[v]].toFixed(3)}`])];
      const rgb = brainbench.maps.through(less.values[figure], "PuOr", -top, top);
      brainbench.maps.drawFlat(canvas("difference"), less, rgb, { says });
      const what = figure === "place" ? "place between first (0) and last layer (1)" : NAMES[kind];
      box.querySelector("[data-caption=difference]").textContent = `${names[0]} less ${names[1]}: ${what}`;
      box.querySelector(".low").textContent = (-top).toFixed(2);
      box.querySelector(".high").textContent = `+${top.toFixed(2)}`;
    }

    function table(stored, names) {
      const [a, b] = stored.map((one) => Object.fromEntries(one.means.map((row) => [row.roi, row])));
      const kind = select("kind").value, figure = DIFFERENCE[kind];
      const body = box.querySelector("tbody");
      box.querySelectorAll("thead [data-name]").forEach((cell, i) => (cell.textContent = names[i]));
      box.querySelector("[data-figure]").textContent = figure === "place" ? "mean place of the layers, 0 first, 1 last" : `mean ${NAMES[kind]}`;
      const said = (value) => (value === undefined || value === null ? "n/a" : value.toFixed(3));
      body.replaceChildren(...Object.keys(a).filter((roi) => b[roi]).map((roi) => {
        const [x, y] = [a[roi][figure], b[roi][figure]];
        const known = typeof x === "number" && typeof y === "number";
        const row = document.createElement("tr");
        const head = Object.assign(document.createElement("th"), { textContent: roi, scope: "row" });
        const cells = [said(x), said(y), known ? signed(x - y) : "n/a"];
        row.append(head, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text, className: "figure" })));
        return row;
      }));
    }

    box.querySelectorAll("select").forEach((one) => one.addEventListener("change", draw));
    draw();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".compare").forEach(begin));
})();
