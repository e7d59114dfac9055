"""What the widgets share; nothing here knows any of them."""
