"""Governance apps as administrators keep them."""
