"""The network, its card, and the file that holds both."""
