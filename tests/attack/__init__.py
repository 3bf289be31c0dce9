"""Each command of the project against each bad stream, place and value that a person can give it."""
