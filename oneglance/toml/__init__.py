"""Reading, changing and writing TOML."""
