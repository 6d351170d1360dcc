"""Everything a network needs: backends, loading, and one class per network."""
