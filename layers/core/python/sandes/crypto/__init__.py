"""Small pure pieces of cryptography, each pinned by vectors in tests/vectors."""
