"use strict";
// Sorting, filtering, details, copying, downloads; and, where a server sends the page, asking for news.
const rows = body => [...body.rows].filter(row => !row.classList.contains("detail"));
const open = row => row.nextElementSibling && row.nextElementSibling.classList.contains("detail") ? row.nextElementSibling : null;

function value(row, column) {
  const text = row.querySelector(`.${column}`).textContent.trim(), number = parseFloat(text);
  return text === "" ? null : column === "formula" || column === "known_as" || column === "standing" || Number.isNaN(number) ? text : number;
}

function sort(button, falling) {
  const head = button.closest("th"), body = head.closest("table").tBodies[0], column = button.dataset.column;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const known = rows(body).map(row => [value(row, column), row, open(row)]);
  known.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return falling ? -order : order;
  });
  body.append(...known.flatMap(([, row, detail]) => detail ? [row, detail] : [row]));
}

function close(row) {
  if (open(row)) open(row).remove();
  const button = row.querySelector(".open");
  button.setAttribute("aria-expanded", "false");
  button.textContent = "+";
}

function filter(run) {
  const text = run.querySelector(".filter").value.toLowerCase(), hide = run.querySelector(".baselines").checked;
  for (const row of rows(run.querySelector("tbody"))) {
    const words = `${row.dataset.expression} ${row.querySelector(".formula").textContent} ${row.querySelector(".known_as").textContent}`;
    row.hidden = !words.toLowerCase().includes(text) || (hide && row.classList.contains("baseline"));
    if (row.hidden) close(row);
  }
}

const made = (name, text, more = {}) => Object.assign(document.createElement(name), {textContent: text}, more);

function detail(row) {
  const told = row.dataset, run = row.closest(".run"), line = made("tr", "", {className: "detail"}), cell = made("td", "", {colSpan: row.cells.length});
  const inside = made("div", "", {className: "inside"}), first = made("p", ""), buttons = made("p", "", {className: "buttons"});
  first.append(made("code", told.expression), made("span", ` id ${told.id}${told.note ? `; ${told.note}` : ""}${told.reason ? `; ${told.reason}` : ""}`, {className: "muted"}));
  const texts = {expression: told.expression, "torch module": told.module, LaTeX: told.latex, "export command": `${run.dataset.export} ${told.id} -o activation.py`};
  for (const [name, text] of Object.entries(texts)) if (text) {
    const button = made("button", `copy ${name}`, {type: "button", className: "copy"});
    button.dataset.copy = text;
    buttons.append(button);
  }
  if (document.body.dataset.live) buttons.append(made("a", "download module", {href: `${location.pathname.replace("/run/", "/export/")}/${told.id}.py`}));
  inside.append(first, buttons);
  const kept = run.querySelector(`template[data-figures="${told.id}"]`);
  if (kept) { const figures = made("div", "", {className: "figures"}); figures.append(kept.content.cloneNode(true)); inside.append(figures); }
  cell.append(inside); line.append(cell); row.after(line);
  const button = row.querySelector(".open");
  button.setAttribute("aria-expanded", "true");
  button.textContent = "–";
}

async function download(run, kind) {
  const packed = Uint8Array.from(atob(run.querySelector(`script.data[data-kind=${kind}]`).textContent), c => c.charCodeAt(0));
  const blob = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
  const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: `${run.dataset.run}.${kind}`});
  link.click();
  URL.revokeObjectURL(link.href);
}

async function copy(button) {
  const said = button.textContent;
  try { await navigator.clipboard.writeText(button.dataset.copy); button.textContent = "copied"; }
  catch { const area = Object.assign(document.createElement("textarea"), {value: button.dataset.copy}); document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); button.textContent = "copied"; }
  setTimeout(() => { button.textContent = said; }, 1200);
}

document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  const run = button.closest(".run");
  if (button.matches(".sort")) sort(button, button.closest("th").getAttribute("aria-sort") === "ascending");
  if (button.matches(".copy")) copy(button);
  if (button.matches(".download")) download(run, button.dataset.kind);
  if (button.matches(".open")) { const row = button.closest("tr"); open(row) ? close(row) : detail(row); }
});
document.addEventListener("input", event => { const run = event.target.closest(".run"); if (run) filter(run); });
document.addEventListener("submit", event => event.preventDefault());

async function news() {
  const told = document.querySelector(".live");
  try {
    const answer = await fetch(location.pathname, {headers: {"X-Known": document.body.dataset.version || ""}});
    if (answer.status === 200) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.body.dataset.version = answer.headers.get("ETag") || "";
      for (const fresh of page.querySelectorAll(".run")) {
        const old = document.querySelector(`.run[data-run="${CSS.escape(fresh.dataset.run)}"]`);
        if (!old) continue;
        const opened = new Set([...old.querySelectorAll(".open[aria-expanded=true]")].map(b => b.closest("tr").dataset.id));
        const sorted = old.querySelector("th[aria-sort] .sort"), falling = sorted && sorted.closest("th").getAttribute("aria-sort") === "descending";
        const [text, hide, at] = [old.querySelector(".filter").value, old.querySelector(".baselines").checked, window.scrollY];
        if (document.activeElement && old.contains(document.activeElement) && document.activeElement.matches("input")) continue;
        old.replaceWith(document.importNode(fresh, true));
        const now = document.querySelector(`.run[data-run="${CSS.escape(fresh.dataset.run)}"]`);
        now.querySelector(".filter").value = text; now.querySelector(".baselines").checked = hide;
        for (const row of rows(now.querySelector("tbody"))) if (opened.has(row.dataset.id)) detail(row);
        if (sorted) sort(now.querySelector(`.sort[data-column=${sorted.dataset.column}]`), falling);
        filter(now); window.scrollTo(0, at);
      }
    }
    told.hidden = true;
  } catch { told.textContent = "the server does not answer; what is shown is the last it sent"; told.hidden = false; }
}
if (document.body.dataset.live) setInterval(news, 4000);
