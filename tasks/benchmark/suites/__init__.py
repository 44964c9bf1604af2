"""One module per benchmark: its file format in, cases out"""
