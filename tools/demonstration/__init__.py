"""The demonstration of `make run`: people, then apps.

Every step checks what it claims; the first that does not hold ends the demonstration with its name.
"""
