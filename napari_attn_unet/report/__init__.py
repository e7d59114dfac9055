"""Figures, tables of many cases, pages, folders: what is taken away."""
