"""What each route answers; a class for each subject, made with what it needs."""
