"""How well a mask agrees with a truth."""
