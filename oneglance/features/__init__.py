"""What a network sees in pictures, put to use: written as a table, searched, clustered, drawn as a map."""
