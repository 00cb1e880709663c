"""The shell around the pipeline: Kafka, Faust, barriers, recovery. The only place where everything is wired."""
