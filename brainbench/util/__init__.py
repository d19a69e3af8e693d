"""Files, folders, memory, progress and digests, for use in every folder."""
