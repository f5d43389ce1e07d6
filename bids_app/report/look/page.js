"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within) => [...(within || document).querySelectorAll(selector)];
  root.classList.add("js");

  // Light or dark: the reader's system says, a button overrules it, the browser may remember.
  const memory = { read() { try { return localStorage.getItem("fetalt2prep-theme"); } catch { return null; } },
    write(theme) { try { localStorage.setItem("fetalt2prep-theme", theme); } catch { memory.theme = theme; } } };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  if (memory.read()) root.dataset.theme = memory.read();
  const themeButton = document.getElementById("theme");
  const nameTheme = () => { themeButton.textContent = dark() ? "Light page" : "Dark page"; themeButton.removeAttribute("aria-label"); };
  if (themeButton) {
    nameTheme();
    themeButton.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; memory.write(root.dataset.theme); nameTheme(); });
  }

  // Which section is being read.
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  if ("IntersectionObserver" in window) {
    const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
      if (!entry.isIntersecting) return;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }), { rootMargin: "-20% 0px -70% 0px" });
    all("main > section").forEach((section) => seen.observe(section));
  }

  // Two pictures in one place: show the other, or let them alternate.
  all(".flicker").forEach((block) => {
    const pair = block.querySelector(".pair"), [swap, run] = all("button", block), state = block.querySelector(".state");
    const names = [pair.dataset.first, pair.dataset.second];
    let timer = 0;
    const show = (second) => { pair.classList.toggle("flip", second); state.textContent = "Shown: " + names[second ? 1 : 0]; };
    const stop = () => { clearInterval(timer); timer = 0; run.setAttribute("aria-pressed", "false"); };
    swap.addEventListener("click", () => { stop(); show(!pair.classList.contains("flip")); });
    run.addEventListener("click", () => {
      if (timer) return stop();
      run.setAttribute("aria-pressed", "true");
      timer = setInterval(() => show(!pair.classList.contains("flip")), 700);
    });
    show(false);
  });

  // Measured slice, predicted slice, difference: of the cell under the pointer, or the one that has the focus.
  all(".inspector").forEach((block) => {
    const cells = all("button.cell", block), canvases = all("canvas", block), title = block.querySelector(".chosen");
    const sprites = all("img.sprite", block);
    const draw = (cell) => {
      const image = sprites[Number(cell.dataset.stack)], column = Number(cell.dataset.column);
      if (!image || Number.isNaN(column) || cell.dataset.column === "") return;
      const paint = () => {
        const width = Number(image.dataset.width), height = Number(image.dataset.height);
        canvases.forEach((canvas, row) => {
          canvas.width = width; canvas.height = height;
          canvas.getContext("2d").drawImage(image, column * width, row * height, width, height, 0, 0, width, height);
          canvas.setAttribute("aria-label", canvas.dataset.what + " of " + cell.getAttribute("aria-label"));
        });
      };
      title.textContent = cell.getAttribute("aria-label");
      if (image.complete && image.naturalWidth) paint(); else { image.loading = "eager"; image.onload = paint; }
    };
    let chosen = cells.find((cell) => cell.dataset.start) || cells[0];
    const choose = (cell) => {
      cells.forEach((other) => { other.setAttribute("aria-pressed", "false"); other.tabIndex = -1; });
      all(`button.cell[data-stack="${cell.dataset.stack}"][data-slice="${cell.dataset.slice}"]`, block).forEach((same) => same.setAttribute("aria-pressed", "true"));
      cell.tabIndex = 0; chosen = cell; draw(cell);
    };
    cells.forEach((cell) => {
      cell.addEventListener("click", () => choose(cell));
      cell.addEventListener("mouseenter", () => draw(cell));
      cell.addEventListener("mouseleave", () => draw(chosen));
    });
    all("table.heat", block).forEach((table) => {
      const own = all("button.cell", table);
      if (own.length && !own.includes(chosen)) own[0].tabIndex = 0;
      table.addEventListener("keydown", (event) => {
        const cell = document.activeElement, step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
        if (!step || !own.includes(cell)) return;
        event.preventDefault();
        let [row, slice] = [Number(cell.dataset.stack), Number(cell.dataset.slice)];
        for (let n = 0; n < 200; n += 1) {
          row += step[0]; slice += step[1];
          const next = own.find((other) => Number(other.dataset.stack) === row && Number(other.dataset.slice) === slice);
          if (next) { choose(next); next.focus(); return; }
          if (slice < 0 || row < 0 || slice > 999 || row > 999) return;
        }
      });
    });
    if (chosen) choose(chosen);
  });

  // Tables that sort by a column.
  all("table.sortable").forEach((table) => all("thead th button", table).forEach((button, column) => {
    button.addEventListener("click", () => {
      const head = button.closest("th"), up = head.getAttribute("aria-sort") !== "ascending";
      const body = table.tBodies[0], value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const order = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)], [p, q] = [parseFloat(x), parseFloat(y)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const by = !Number.isNaN(p) && !Number.isNaN(q) && x.trim() !== "" && !/^sub-/.test(x) ? p - q : x.localeCompare(y, "en", { numeric: true });
        return up ? by : -by;
      });
      all("thead th", table).forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      order.forEach((row) => body.append(row));
    });
  }));

  addEventListener("beforeprint", () => all("details").forEach((block) => { block.open = true; }));
})();
