"""Where the stages, the transport and the servers are wired into a worker."""
