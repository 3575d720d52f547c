"""The commands of the shell, and tables in the terminal; no logic."""
