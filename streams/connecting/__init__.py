"""The process of the connectors: which of rapport.toml's run, and where they keep how far they are."""
