"""What only an NVIDIA GPU needs."""
