// A heading sorts: as the numbers are, those that are missing last; a second time, the other way round.
const table = document.getElementById("overview");
if (table) {
  const headings = [...table.querySelectorAll("thead th")];
  headings.forEach((heading, column) => heading.querySelector("button")?.addEventListener("click", () => {
    const descending = heading.getAttribute("aria-sort") !== "descending";
    const value = (row) => row.cells[column].dataset.value;
    const compared = (a, b) => column ? Number(a) - Number(b) : a < b ? -1 : 1;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      return descending ? compared(y, x) : compared(x, y);
    });
    table.tBodies[0].append(...rows);
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }));
}
