"""What operators keep: organisations, who is an official, official groups, the register of apps."""
