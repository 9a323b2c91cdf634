// Makes the tables of the page sortable by a button in each header, and long ones searchable. Nothing is fetched or
// computed: rows are moved or hidden. Without this script every table reads as it is.
"use strict";
(() => {
  const SORTABLE = 3, SEARCHABLE = 8; // rows from which a table can be sorted, and searched
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" }; // "none" is the order as written

  const key = (cell) => {
    const value = cell.dataset.value;
    if (value === undefined) return cell.textContent.trim();
    return value === "undefined" ? null : Number(value);
  };
  const words = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : words.compare(String(a), String(b)));

  const sort = (table, rows, column, direction) => {
    const keyed = rows.map((row) => [key(row.cells[column]), row]);
    const known = keyed.filter(([found]) => found !== null), rest = keyed.filter(([found]) => found === null);
    if (direction !== "none") known.sort(([a], [b]) => (direction === "ascending" ? compare(a, b) : compare(b, a)));
    const ordered = direction === "none" ? rows : [...known, ...rest].map(([, row]) => row); // undefined stays last
    table.tBodies[0].append(...ordered);
  };

  const sortable = (table, rows) => {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...header.childNodes);
      if (!button.textContent.trim()) return; // a column without a name is none to sort by
      header.append(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = NEXT[header.getAttribute("aria-sort")];
        headers.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
        header.setAttribute("aria-sort", direction);
        sort(table, rows, column, direction);
      });
    });
  };

  const searchable = (table, rows) => {
    const box = document.createElement("div");
    box.className = "search";
    const label = document.createElement("label");
    const field = document.createElement("input");
    const said = document.createElement("span");
    field.type = "search";
    field.setAttribute("aria-label", `Search in: ${table.caption ? table.caption.textContent : table.id}`);
    label.append("search ", field);
    said.setAttribute("role", "status");
    said.className = "muted";
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      said.textContent = wanted ? `${shown} of ${rows.length} rows` : "";
    });
    box.append(label, " ", said);
    table.closest(".scroll").before(box);
  };

  for (const table of document.querySelectorAll(".scroll table")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length >= SORTABLE) sortable(table, rows);
    if (rows.length >= SEARCHABLE) searchable(table, rows);
  }
  // On paper every row stands, and a header is text: a button is not repeated on the next sheet.
  const buttons = [...document.querySelectorAll(".sort")].map((button) => [button, [...button.childNodes]]);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("tr[hidden]").forEach((row) => { row.hidden = false; });
    buttons.forEach(([button, label]) => { button.after(...label); button.hidden = true; });
  });
  window.addEventListener("afterprint", () => {
    buttons.forEach(([button, label]) => { button.append(...label); button.hidden = false; });
  });
})();
