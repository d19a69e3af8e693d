"""What needs nothing but the core's own dependencies, registered by the same hooks as any plugin."""
