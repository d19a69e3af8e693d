// The cortex in pixels: triangles -> a picture and, for every pixel, the vertex that it shows. No library, no WebGL.
"use strict";
window.brainbench = window.brainbench || { rows: {} };

brainbench.cortex = (() => {
  const UNIT = 1 / 200; // mm a step of the stored coordinates
  const MARGIN = 12; // mm of bare cortex around the voxels of a flat map
  const GAP = 8; // mm between the hemispheres
  const BARE = [219, 199]; // grey of gyri and sulci without a voxel

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const typed = (text, kind) => new kind(bytes(text).buffer);
  const bits = (text, count) => {
    const packed = bytes(text);
    return Uint8Array.from({ length: count }, (_, i) => (packed[i >> 3] >> (7 - (i & 7))) & 1);
  };

  let decoded = null;
  /** Both sides as one list of vertices, left first. */
  function mesh() {
    if (decoded) return decoded;
    const stored = brainbench.mesh;
    const count = stored.vertices;
    const join = (name, kind, of) => {
      const [left, right] = stored.sides.map((side) => typed(side[name], kind));
      const out = new (of === "face" ? Uint32Array : Float32Array)(left.length + right.length);
      left.forEach((v, i) => (out[i] = of === "face" ? v : v * UNIT));
      right.forEach((v, i) => (out[left.length + i] = of === "face" ? v + count : v * UNIT));
      return out;
    };
    const [left, right] = stored.sides.map((side) => bits(side.sulci, count));
    decoded = {
      count,
      flat: join("flat", Int16Array),
      inflated: join("inflated", Int16Array),
      flatFaces: join("flat_faces", Uint16Array, "face"),
      faces: join("faces", Uint16Array, "face"),
      sulci: Uint8Array.of(...left, ...right),
    };
    decoded.normals = normals(decoded.inflated, decoded.faces);
    // The flat map is cut open: vertices of the cut have no place on it.
    decoded.spread = new Uint8Array(2 * count);
    decoded.flatFaces.forEach((v) => (decoded.spread[v] = 1));
    return decoded;
  }

  function normals(points, faces) {
    const out = new Float32Array(points.length);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3];
      const u = [0, 1, 2].map((k) => points[b + k] - points[a + k]);
      const v = [0, 1, 2].map((k) => points[c + k] - points[a + k]);
      const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
      for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) out[corner + k] += n[k];
    }
    for (let i = 0; i < out.length; i += 3) {
      const length = Math.hypot(out[i], out[i + 1], out[i + 2]) || 1;
      for (let k = 0; k < 3; k++) out[i + k] /= length;
    }
    return out;
  }

  /** x, y, depth: [N] of the screen; light: [N]. Nearest wins; a pixel belongs to the corner that is nearest to it. */
  function raster(x, y, depth, light, faces, width, height, closed) {
    const vertex = new Int32Array(width * height).fill(-1);
    const shade = new Float32Array(width * height);
    const near = new Float32Array(width * height).fill(-Infinity);
    for (let f = 0; f < faces.length; f += 3) {
      const a = faces[f], b = faces[f + 1], c = faces[f + 2];
      const area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a]);
      if (area === 0 || Number.isNaN(area) || (closed && area > 0)) continue; // of a closed surface, what looks away is hidden
      const top = Math.max(0, Math.ceil(Math.min(y[a], y[b], y[c])));
      const bottom = Math.min(height - 1, Math.floor(Math.max(y[a], y[b], y[c])));
      const from = Math.max(0, Math.ceil(Math.min(x[a], x[b], x[c])));
      const to = Math.min(width - 1, Math.floor(Math.max(x[a], x[b], x[c])));
      for (let py = top; py <= bottom; py++) {
        for (let px = from; px <= to; px++) {
          const wb = ((px - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (py - y[a])) / area;
          const wc = ((x[b] - x[a]) * (py - y[a]) - (px - x[a]) * (y[b] - y[a])) / area;
          const wa = 1 - wb - wc;
          if (wa < 0 || wb < 0 || wc < 0) continue;
          const z = wa * depth[a] + wb * depth[b] + wc * depth[c];
          const p = py * width + px;
          if (z <= near[p]) continue;
          near[p] = z;
          vertex[p] = wa >= wb && wa >= wc ? a : wb >= wc ? b : c;
          shade[p] = wa * light[a] + wb * light[b] + wc * light[c];
        }
      }
    }
    return { width, height, vertex, shade, x, y };
  }

  /** A flat map of both sides, cropped to where the voxels are; voxel: [2n], -1 where there is none. */
  function flat(voxel, width) {
    const m = mesh();
    const x = new Float32Array(2 * m.count), y = new Float32Array(2 * m.count);
    const boxes = [0, 1].map((side) => {
      const box = [Infinity, -Infinity, Infinity, -Infinity];
      for (let i = side * m.count; i < (side + 1) * m.count; i++) {
        if (voxel[i] < 0 || !m.spread[i]) continue;
        box[0] = Math.min(box[0], m.flat[2 * i]), box[1] = Math.max(box[1], m.flat[2 * i]);
        box[2] = Math.min(box[2], m.flat[2 * i + 1]), box[3] = Math.max(box[3], m.flat[2 * i + 1]);
      }
      return box[0] > box[1] ? null : [box[0] - MARGIN, box[1] + MARGIN, box[2] - MARGIN, box[3] + MARGIN];
    });
    const there = boxes.filter(Boolean);
    const wide = there.reduce((sum, b) => sum + b[1] - b[0], 0) + GAP * (there.length - 1);
    const low = Math.min(...there.map((b) => b[2])), high = Math.max(...there.map((b) => b[3]));
    const scale = width / wide, height = Math.round((high - low) * scale);
    let start = 0;
    boxes.forEach((box, side) => {
      for (let i = side * m.count; i < (side + 1) * m.count; i++) {
        const inside = box && m.flat[2 * i] >= box[0] && m.flat[2 * i] <= box[1];
        x[i] = inside ? (start + m.flat[2 * i] - box[0]) * scale : NaN;
        y[i] = (high - m.flat[2 * i + 1]) * scale;
      }
      if (box) start += box[1] - box[0] + GAP;
    });
    const ones = new Float32Array(2 * m.count).fill(1);
    return raster(x, y, ones, ones, m.flatFaces, width, height, false);
  }

  /** The inflated cortex; camera: azimuth and elevation in degrees, zoom, side: "both", "left" or "right". */
  function solid(camera, width, height) {
    const m = mesh();
    const [az, el] = [camera.azimuth, camera.elevation].map((angle) => (angle * Math.PI) / 180);
    const eye = [Math.cos(az) * Math.cos(el), Math.sin(az) * Math.cos(el), Math.sin(el)];
    const right = [-Math.sin(az), Math.cos(az), 0];
    const up = [-Math.cos(az) * Math.sin(el), -Math.sin(az) * Math.sin(el), Math.cos(el)];
    const total = 2 * m.count, scale = (camera.zoom * Math.min(width, height)) / 190;
    const x = new Float32Array(total), y = new Float32Array(total);
    const depth = new Float32Array(total), light = new Float32Array(total);
    for (let i = 0; i < total; i++) {
      const side = i < m.count ? "left" : "right";
      const apart = camera.side === "both" ? (side === "left" ? -46 : 46) : 0;
      const [px, py, pz] = [m.inflated[3 * i] + apart, m.inflated[3 * i + 1], m.inflated[3 * i + 2]];
      const shown = camera.side === "both" || camera.side === side;
      x[i] = shown ? width / 2 + (px * right[0] + py * right[1]) * scale : NaN;
      y[i] = height / 2 - (px * up[0] + py * up[1] + pz * up[2]) * scale;
      depth[i] = px * eye[0] + py * eye[1] + pz * eye[2];
      const facing = m.normals[3 * i] * eye[0] + m.normals[3 * i + 1] * eye[1] + m.normals[3 * i + 2] * eye[2];
      light[i] = 0.62 + 0.38 * Math.max(0, facing);
    }
    return raster(x, y, depth, light, m.faces, width, height, true);
  }

  /** Colour a raster. rgb: [V * 3]; voxel: vertex -> row of rgb or -1; outlines: vertex -> number of its set of ROIs. */
  function paint(canvas, picture, rgb, voxel, outlines, labels) {
    const { width, height, vertex, shade } = picture, sulci = mesh().sulci;
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let p = 0; p < vertex.length; p++) {
      const v = vertex[p];
      if (v < 0) continue;
      const row = voxel[v] * 3;
      for (let k = 0; k < 3; k++) image.data[4 * p + k] = (row < 0 ? BARE[sulci[v]] : rgb[row + k]) * shade[p];
      image.data[4 * p + 3] = 255;
    }
    if (outlines) outline(image.data, picture, outlines);
    context.putImageData(image, 0, 0);
    for (const label of labels || []) {
      const p = Math.round(picture.y[label.vertex]) * width + Math.round(picture.x[label.vertex]);
      const seen = vertex[p] >= 0 && outlines[vertex[p]] === outlines[label.vertex];
      if (!seen) continue;
      context.font = `600 ${Math.round((12 * width) / (canvas.clientWidth || width))}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.lineJoin = "round";
      context.lineWidth = 4;
      context.strokeStyle = "white";
      context.fillStyle = "#111";
      context.strokeText(label.name, picture.x[label.vertex], picture.y[label.vertex]);
      context.fillText(label.name, picture.x[label.vertex], picture.y[label.vertex]);
    }
  }

  function outline(data, { width, vertex }, outlines) {
    const set = (v) => (v < 0 ? 0 : outlines[v]);
    for (let p = 0; p < vertex.length - width - 1; p++) {
      const own = set(vertex[p]);
      if (own === set(vertex[p + 1]) && own === set(vertex[p + width])) continue;
      // Dark beside light: to be seen on either.
      data.set([16, 16, 16, 255], 4 * p);
      if (vertex[p + 1] >= 0) data.set([245, 245, 245, 255], 4 * (p + 1));
    }
  }

  return { bits, bytes, flat, mesh, paint, solid, typed };
})();
