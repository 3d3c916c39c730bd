"""Use cases of administrators: permissions (authority), approvals by a second person, and a folder for each subject."""
