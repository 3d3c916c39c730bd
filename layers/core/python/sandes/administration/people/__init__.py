"""Administration of officials: verification, verification requests, suspension."""
