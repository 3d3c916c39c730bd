"""People: who a token speaks for, registering, devices, profiles, look-up, whom officials let write."""
