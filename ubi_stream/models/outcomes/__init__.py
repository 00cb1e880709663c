"""Will it happen? Predictions of outcomes, judged and learned when the outcome is known."""
