"""Where reinforcement learning takes hold of the frozen base policy (section IV-B)."""
