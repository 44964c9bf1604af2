"""One module per family of scoring rules, each rule under a name with its version"""
