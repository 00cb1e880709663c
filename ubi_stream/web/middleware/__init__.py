"""What happens to every request, whatever the route: one module each."""
