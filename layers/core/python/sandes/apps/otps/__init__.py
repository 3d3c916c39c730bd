"""One-time passwords for apps: send, check, resend, cancel (docs/apps/README.md, "One-time passwords").

The id of an OTP is the keyed hash of the request that created it, so its row also records the idempotency key.
"""
