"""What an outcome warns of, in words that several places compare."""

SCRIPTED = "the model was the shipped scripted model, not a language model"
