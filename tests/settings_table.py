"""The table of settings in README.md, from the settings themselves: ``python -m tests.settings_table`` prints it."""

from typing import Any

from pydantic import SecretStr

from streams.config import SECRETS, Settings

BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
)


def settings_table() -> str:
    """Return the table in Markdown, one line per environment variable, with its default and what is allowed."""
    allowed = Settings.model_json_schema()["properties"]
    lines = ["| variable | default | what it does |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default, limits, variable = _code(field.default), _limits(allowed[name]), f"RAPPORT_{name.upper()}"
        instead = f"; or `{variable}_FILE`, a file that has it" if f"{variable}_FILE" in SECRETS else ""
        lines.append(f"| `{variable}` | {default} | {field.description}{limits}{instead} |")
    return "\n".join(lines)


def _code(value: object) -> str:
    """Return a default as one would write it into the environment; none and the empty string are an empty cell."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, bool):
        text = str(text).lower()
    return "" if text is None or text == "" else f"`{text}`"


def _limits(schema: dict[str, Any]) -> str:
    """Return what a setting may be, in brackets; nothing where its type says it all."""
    if choices := schema.get("enum"):
        return f" ({', '.join(f'`{choice}`' for choice in choices)})"
    if "minimum" in schema and "maximum" in schema:
        words = [f"{schema['minimum']} to {schema['maximum']}"]
    else:
        words = [text.format(schema[bound]) for bound, text in BOUNDS if bound in schema]
    if pattern := schema.get("pattern"):
        words.append(f"matching `{pattern}`")
    return f" ({', '.join(words)})" if words else ""


if __name__ == "__main__":
    print(settings_table())  # noqa: T201 - it is what it is for
