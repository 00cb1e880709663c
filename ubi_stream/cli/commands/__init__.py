"""One module for each command: its options, its help, and a call of what does the work.

What takes long to load (the models, Faust, the embedded servers) is imported by the command that needs it, when
it runs: `ubi --help` answers at once, and a worker does not hold the memory of what only a replay needs.
"""
