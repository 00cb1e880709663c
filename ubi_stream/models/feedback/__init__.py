"""What people's labels teach."""
