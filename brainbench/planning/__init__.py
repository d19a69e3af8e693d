"""From a request to jobs: names, settings and subsets are resolved before anything runs."""
