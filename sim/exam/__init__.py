"""The exam: frozen worlds that any model can be trained on, and the judgement of any model by their truth."""
