"""The page: Streamlit, HTTP and nothing else."""
