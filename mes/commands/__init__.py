"""The commands of `mes` that have a module of their own; mes/cli.py puts them together."""
