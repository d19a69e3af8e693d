"""Records -> leaderboards."""
