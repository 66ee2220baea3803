"""`python -m tfvae_cli` is the command `tfvae`."""

import sys

from tfvae_cli import main

if __name__ == "__main__":
    sys.exit(main())
