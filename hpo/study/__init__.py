"""What a study is: its file, its rules, its trials, and what it looks like at one moment."""
