"""What the widgets are made of; nothing here knows what it is used for."""
