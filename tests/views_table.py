"""The table of views in docs/bi.md, from ``schemas/views.toml``: ``python -m tests.views_table`` writes it anew."""

import re
from pathlib import Path

from schemas.views import views

PAGE = Path(__file__).parent.parent / "docs" / "bi.md"
MARKED = re.compile(r"(<!-- views -->\n).*?(<!-- /views -->)", re.DOTALL)


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| view | one row is |", "|---|---|"]
    for view in views().values():
        asked = f"({', '.join(view.parameters)})" if view.parameters else ""
        lines.append(f"| `{view.name}{asked}` | {view.row} |")
    return "\n".join(lines)


def page() -> str:
    """Return docs/bi.md with its table as it should be."""
    return MARKED.sub(lambda found: f"{found[1]}{table()}\n{found[2]}", PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
