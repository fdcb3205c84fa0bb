"""The web tool and its REST API; importing this package alone loads neither."""
