"""What may be wrong with a data set, and a first configuration suggested from its columns."""
