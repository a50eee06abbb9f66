"""What the mirror has, as it is shown and handed out."""
