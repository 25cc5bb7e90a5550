"""`python -m inkdigits` is the `inkdigits` command."""

from inkdigits.cli import main

if __name__ == "__main__":
    main()
