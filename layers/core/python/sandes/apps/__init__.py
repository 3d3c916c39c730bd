"""Use cases of governance apps: one-time passwords, messages, batches, webhooks, groups with rosters."""
