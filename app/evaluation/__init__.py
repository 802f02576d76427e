"""Search measured on queries with known answers; schemas.py has the nouns."""
