"""Cryptographic primitives without input or output. Each is tested against vectors in tests/vectors."""
