"""A small multilingual library that comes along."""
