"""Dataset ``folder``: bring your own experiment."""
