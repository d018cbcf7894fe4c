"""What all nodes share: parameters, QoS, message conversion, and how a process runs and ends."""
