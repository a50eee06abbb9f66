"""The version of the package, the app and the command line: this line is the one place that has it."""

VERSION = "0.1.0"
