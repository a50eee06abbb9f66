"""What helps to develop this project: neither deployed nor a stand-in. Nothing in acrmirror/ or local/ knows of it."""
