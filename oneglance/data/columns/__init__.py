"""Many records in little memory: columns of text and answers, of which records are made when asked for."""
