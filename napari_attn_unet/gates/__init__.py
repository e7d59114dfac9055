"""What the gates say, and whether it matters."""
