"""What every layer may use: folders, files, memory, progress, hashes."""
