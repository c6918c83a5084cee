"""Shows where a layer is mounted."""
