"""Parts of networks, and what they run on."""
