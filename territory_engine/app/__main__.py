"""``python -m territory_engine.app``: the command line where the console script is not on the PATH."""

from territory_engine.app.cli import main

if __name__ == "__main__":
    main()
