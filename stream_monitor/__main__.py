"""`python -m stream_monitor`: the same as the command `stream-monitor`."""

from stream_monitor.cli import main

if __name__ == "__main__":
    main()
