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
    const kinds = [...select("kind").options].map((option) => option.value);

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
      const maps = box.querySelector(".maps");
      const able = stored.every((one) => one.vertex && (kind === "layers" ? one.paint : one.values[kind]));
      if (maps) maps.hidden = !able;
      if (maps && able) paint(stored.map(brainbench.maps.unpack), names, kind);
      else if (kinds.length && stored[0].vertex) box.querySelector(".said").textContent = `One of them has no ${NAMES[kind]} per voxel.`;
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
        const cells = [said(x), said(y), known ? `${x - y >= 0 ? "+" : ""}${(x - y).toFixed(3)}` : "n/a"];
        row.append(head, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text, className: "figure" })));
        return row;
      }));
    }

    box.querySelectorAll("select").forEach((one) => one.addEventListener("change", draw));
    draw();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".compare").forEach(begin));
})();
