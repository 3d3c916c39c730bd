"""What administrators do: who may do what where (authority), what takes two (approvals), a folder for each subject."""
