"""What the widgets are made of; nothing here knows which of them it is part of."""
