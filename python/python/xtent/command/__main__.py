import sys

from xtent.command import main

if __name__ == "__main__":
    sys.exit(main())
