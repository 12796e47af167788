"""For `dev/setup`: prints which of `redis` and `engine` have to be started for a purpose."""

import os
import sys

from dev.services import find_missing

print(*find_missing(sys.argv[1], dict(os.environ)))
