"""What people touch: the command, the service, the page."""
