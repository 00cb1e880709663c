"""Who may call which route: roles, keys, tokens, sessions, limits, audit."""
