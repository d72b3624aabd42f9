"""The pages of the board as HTML, their forms, texts and icons."""
