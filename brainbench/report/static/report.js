// What every page has: the switch of light and dark, tables to sort and filter, tabs.
"use strict";
window.brainbench = window.brainbench || { rows: {} };

(() => {
  const root = document.documentElement;
  // A browser may refuse storage to pages opened from disk; the switch then holds for this page alone.
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem("brainbench-theme", value);
      return localStorage.getItem("brainbench-theme");
    } catch {
      return null;
    }
  };
  const theme = remembered();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

  function sortable(table) {
    const body = table.tBodies[0];
    table.querySelectorAll("th button").forEach((button) => {
      button.addEventListener("click", () => {
        const heading = button.closest("th"), column = heading.cellIndex;
        const before = heading.getAttribute("aria-sort");
        const order = before ? (before === "ascending" ? "descending" : "ascending") : button.dataset.first;
        table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1, text = button.dataset.kind === "text";
        const value = (row) => row.cells[column].dataset.value;
        const compare = (a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === "" || y === "") return (x === "") - (y === ""); // what is missing comes last either way
          return sign * (text ? x.localeCompare(y, "en") : x - y);
        };
        body.append(...[...body.rows].sort(compare));
      });
    });
  }

  function filterable(input) {
    const tables = [...document.querySelectorAll(`[data-filtered="${input.dataset.for}"]`)];
    const said = document.getElementById(input.getAttribute("aria-describedby"));
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
      for (const row of rows) row.hidden = !words.every((word) => row.dataset.text.includes(word));
      said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    });
  }

  function tabs(list) {
    const all = [...list.querySelectorAll("[role=tab]")];
    const choose = (tab, focus) => {
      for (const one of all) {
        const chosen = one === tab, panel = document.getElementById(one.getAttribute("aria-controls"));
        one.setAttribute("aria-selected", chosen);
        one.tabIndex = chosen ? 0 : -1;
        panel.hidden = !chosen;
        if (chosen && brainbench.maps) brainbench.maps.show(panel);
      }
      if (focus) tab.focus();
    };
    all.forEach((tab, place) => {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: all.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        choose(all[(to + all.length) % all.length], true);
      });
    });
    choose(all[0]);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => {
      button.setAttribute("aria-pressed", dark());
      button.textContent = dark() ? "Light" : "Dark";
    };
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      remembered(root.dataset.theme);
      say();
    });
    say();
    document.querySelectorAll("table.sortable").forEach(sortable);
    document.querySelectorAll("input[data-for]").forEach(filterable);
    document.querySelectorAll("[role=tablist]").forEach(tabs);
  });
})();
