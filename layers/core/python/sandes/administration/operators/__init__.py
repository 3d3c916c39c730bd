"""Tasks of the operators: platform administrators, and the replacement of the pepper."""
