"""What an operator does to a whole deployment while its workers rest, or beside them: backup, restore, repartition."""
