"""Officials and those who ask to be: verifying, suspending, complaints about them."""
