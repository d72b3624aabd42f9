"""Who may do what on the board: users, sign-in, sessions and the middleware that checks every request."""
