"""Identifies callers: the device of a token, the app of a signed request, and signatures of acts that outlive a
token.
"""
