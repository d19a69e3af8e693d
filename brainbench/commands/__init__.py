"""The work behind the commands; ``cli`` only parses and prints."""
