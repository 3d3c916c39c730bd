"""Holds known answers for clients in any language. `python -m tests.vectors.make` writes the files again."""
