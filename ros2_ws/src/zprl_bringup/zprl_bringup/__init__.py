"""What every node of the graph shares: parameters, QoS, message conversion, and how a process runs and ends."""
