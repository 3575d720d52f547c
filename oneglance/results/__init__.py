"""What each verb gives back, a file for each kind of result."""
