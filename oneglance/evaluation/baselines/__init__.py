"""What a network is compared with: methods that need none, or only its features."""
