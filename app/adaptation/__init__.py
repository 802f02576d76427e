"""A collection's own encoder: trained beside the service, indexed beside the one in use, then served."""
