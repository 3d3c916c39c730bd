"""Governance apps: signed calls, one-time passwords, messages, batches, webhooks, groups with rosters."""
