"""What only the people who operate the deployment do: platform administrators, and the pepper."""
