"""What lets long work be killed at any moment: what is finished stays, and nothing is believed unread."""
