"""All the logic of Sandes; see ARCHITECTURE.md for which module knows which."""
