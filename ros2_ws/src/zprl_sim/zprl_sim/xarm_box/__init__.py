# SPDX-License-Identifier: Apache-2.0
"""An xArm control box as a process of its own: it speaks UFACTORY's protocol on TCP, so that the vendor's SDK
connects to it as to a real one. `zprl sim-xarm` starts it; `client.BoxClient` is its test bench.

How commands, replies and reports look is what the SDK (1.18.4) itself sends and reads. What a real box *does*
is not in the SDK. Every such decision is an assumption; these are all:

- servo setpoints take effect at once, and the last one is held when the stream or its connection ends;
- which error follows from which setpoint: C21 no joint angles reach the pose, C23 beyond a joint limit,
  C24 (C60 for joint setpoints) too far in the time since the last one, C35 outside the fence;
- every error stops the arm at the last setpoint, state 4; C1 to C19 also let the brakes fall;
- setpoints that are refused (error, state 4 or 5, wrong mode) change nothing and are answered as not ready;
- a change of mode puts the box in state 5 until state 0 is set; enabling motors leaves the state as it is;
- so do tool offset, load and collision sensitivity, which also take it back to mode 0 (the vendor,
  xArm-Python-SDK issue 107; here also where the value is the old one);
- a load is not taken where the box is not ready;
- state 0 is refused while there is an error or a motor without power, and restarts from the measured pose;
- paused (state 3), setpoints are accepted, and the last one is followed once state 0 is set (the vendor,
  issue 80), unless the mode was changed before;
- reduced mode bounds setpoints by its speeds and joint range, the fence by its box; both by the same errors;
- tool offset, load and every other setting survive a disconnect and an error, not the end of the process;
- a tool that is silent (wrong address or baud rate) raises C19;
- a transaction with the tool takes some ms, during which only its own connection waits;
- a setpoint with a number that is not finite is answered as invalid, without an error;
- the Robotiq activates within a second and closes linearly over its 255 steps; an xArm gripper opens by
  0.1 mm a pulse and by 0.1 m/s at speed 5000;
- measured joint torques are zero, and there is no force sensor.

Commands of position mode (`set_position` and the like), recorded trajectories, the linear track, and digital
inputs and outputs are not there: they are answered as invalid.
"""
