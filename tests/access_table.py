"""The table of rights in docs/security.md, from the rights themselves: ``python -m tests.access_table`` prints it."""

from schemas.access import Role, grants
from schemas.topics import Catalogue


def access_table() -> str:
    """Return the table in Markdown: per role and operation, the topics and groups of a plant with the usual prefix."""
    lines = ["| who | operation | on |", "|---|---|---|"]
    for role in Role:
        wanted = grants(role, Catalogue())
        for operation, resource in sorted({grant[:2] for grant in wanted}):
            names = ", ".join(f"`{grant.name}`" for grant in wanted if grant[:2] == (operation, resource))
            lines.append(f"| {role.value} | {operation} | {resource} {names} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(access_table())  # noqa: T201 - it is what it is for
