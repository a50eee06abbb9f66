"""What helps to develop this project, and is not deployed. Nothing in the other packages knows of it."""
