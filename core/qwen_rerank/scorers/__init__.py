"""What gives scores: local, remote, and what wraps them."""
