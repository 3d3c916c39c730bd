"""Holds all the logic of Sandes. ARCHITECTURE.md shows which packages each package may import."""
