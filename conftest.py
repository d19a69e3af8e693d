"""Before anything imports torch: one thread for each of the processes that tests run in side by side."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
