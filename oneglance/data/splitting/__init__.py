"""Records go to train, validation and test: by group, stratified by class."""
