"""The KaLM recipe: fine-tuning the encoder. Nothing is here yet; it is issue 6 of this project."""
