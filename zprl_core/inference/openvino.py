# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on a CPU. Needs `pip install -e ".[openvino]"`; a policy of the paper takes it 20 s to compile.

Shapes stay open: with the observation's own, OpenVINO 2026.4 ends the process while it compiles the encoder.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zprl_core.inference.backend import Backend, BackendError

if TYPE_CHECKING:
    from zprl_core.data.observation import Observation
    from zprl_core.policy.base_policy import BasePolicy

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


def make(policy: BasePolicy, precision: str, observation: Observation) -> Backend:
    """The policy, compiled.

    Raises:
        BackendError: OpenVINO is not installed, or cannot.
    """
    if precision not in PRECISIONS:
        raise BackendError(f"a CPU computes in {' or '.join(PRECISIONS)}, not in {precision}")
    try:
        openvino = importlib.import_module("openvino")
    except ImportError as error:
        raise BackendError('it is not installed: pip install -e ".[openvino]"') from error
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise BackendError("this CPU has no instructions for bf16")
    settings = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return Compiled(policy, observation, core, settings)


class _Embed(nn.Module):
    """Of one camera's frames."""

    def __init__(self, policy: BasePolicy, camera: str) -> None:
        super().__init__()
        self.policy, self.camera = policy, camera

    def forward(self, frame: Tensor) -> Tensor:
        return self.policy.embed(self.camera, frame)


class _Act(nn.Module):
    def __init__(self, policy: BasePolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, condition: Tensor, w: Tensor) -> Tensor:
        return self.policy.act(condition, w)


class Compiled:
    """Both functions; each camera's encoder, and the flow, with a request of its own."""

    def __init__(
        self, policy: BasePolicy, observation: Observation, core: Any, settings: dict[str, Any]
    ) -> None:
        images, _ = observation.batch()
        asked = (torch.zeros(1, policy.c_dim), torch.zeros(1, policy.chunk, policy.action_dim))

        def compiled(module: nn.Module, example: tuple[Tensor, ...]) -> Any:
            model = _converted(module.eval(), example)
            return core.compile_model(model, "CPU", settings).create_infer_request()

        try:
            self._embed = {
                name: compiled(_Embed(policy, name), (images[name][:, -1],))
                for name in policy.encoder.cameras
            }
            self._act = compiled(_Act(policy), asked)
        except Exception as error:  # of its own, which share no class
            raise BackendError(f"it cannot compile this policy: {_cause(error)}") from error

    def embed(self, camera: str, frame: Tensor) -> Tensor:
        """See `Backend`."""
        return _answer(self._embed[camera], frame)

    def act(self, condition: Tensor, w: Tensor) -> Tensor:
        """See `Backend`."""
        return _answer(self._act, condition, w)


def _converted(module: nn.Module, example: tuple[Tensor, ...]) -> Any:
    """By OpenVINO's frontend for torch. Its `convert_model` does the same, and reports its use to Intel."""
    frontend = importlib.import_module("openvino.frontend")
    decoders = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    with warnings.catch_warnings():  # the tracer's, about shapes that are the same in every call
        warnings.simplefilter("ignore")
        decoder = decoders.TorchScriptPythonDecoder(module, example_input=example)
    torch_frontend = frontend.FrontEndManager().load_by_framework("pytorch")
    return torch_frontend.convert(torch_frontend.load(decoder))


def _cause(error: Exception) -> str:
    """What OpenVINO says, on one line, without where in its code and without its headings."""
    lines = [line.strip().removeprefix("-- ") for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("Check ") and not line.endswith(":")]
    return " ".join(told) or type(error).__name__


def _answer(request: Any, *given: Tensor) -> Tensor:
    found = request.infer([each.contiguous().numpy() for each in given], share_inputs=True)
    return torch.from_numpy(found[0].copy())
