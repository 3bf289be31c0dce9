"""How configurations become published records, for one run or for many: build, train together, save, publish."""
