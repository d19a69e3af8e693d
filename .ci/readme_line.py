"""Print the N-th set-up line of the README: the only line of its N-th fenced block."""

import re
import sys
from pathlib import Path

blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", Path("README.md").read_text(), flags=re.M | re.S)
line = blocks[int(sys.argv[1]) - 1].strip()
if "\n" in line:
    sys.exit(f"block {sys.argv[1]} of README.md is not one line")
print(line)
