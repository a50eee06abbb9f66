"""`python -m acrmirror.cli`, where the command itself is not installed."""

from acrmirror.cli.app import app

app()
