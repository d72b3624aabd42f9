"""The plant's file: what it may say, how it is read, and what the program makes of it."""
