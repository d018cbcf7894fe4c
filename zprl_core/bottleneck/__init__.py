"""The variational information bottleneck on the observation embedding (section IV-A)."""
