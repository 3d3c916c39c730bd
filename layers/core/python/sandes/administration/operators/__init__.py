"""Tasks of the people who operate the deployment: platform administrators, and replacing the pepper."""
