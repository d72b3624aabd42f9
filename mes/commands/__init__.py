"""The commands of `mes`; mes/cli.py names them and imports one when it is called."""
