"""How a training fits the machine it runs on: its processors and its memory."""
