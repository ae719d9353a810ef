import sys

from xtent.command import main

sys.exit(main())
