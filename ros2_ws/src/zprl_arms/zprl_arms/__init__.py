"""One bridge per arm: chunks in, a smooth and limited stream of setpoints out, whatever the arm is."""
