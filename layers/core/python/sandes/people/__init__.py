"""Use cases of people: registration, devices, profiles, look-up, and permission for citizens to write to officials."""
