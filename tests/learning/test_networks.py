"""The networks of the base policy: shapes, and equality with a plain formulation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from zprl_core.config import CameraView
from zprl_core.policy.encoder import ObservationEncoder, centre_crop, images_to_float
from zprl_core.policy.resnet import ResNet18, feature_map_size
from zprl_core.policy.unet import ChunkConv, ChunkUNet


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 16, 24])
@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (3, 1), (3, 2), (1, 1)])
def test_chunk_convolution_is_a_zero_padded_convolution(length: int, kernel: int, stride: int) -> None:
    conv = ChunkConv(3, 4, kernel, stride)
    x = torch.randn(2, length, 3)
    weight = conv.weight.view(kernel, 3, 4).permute(2, 1, 0)
    plain = F.conv1d(x.transpose(1, 2), weight, conv.bias, stride, kernel // 2).transpose(1, 2)
    torch.testing.assert_close(conv(x), plain)


def test_even_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="odd, not 4"):
        ChunkConv(3, 4, 4)


@pytest.mark.parametrize("chunk", [1, 2, 4, 5, 16, 24])
@pytest.mark.parametrize("widths", [(8,), (8, 16), (8, 16, 24)])
def test_any_chunk_length(chunk: int, widths: tuple[int, ...]) -> None:
    net = ChunkUNet(7, 10, widths, step_embedding=8, kernel=5, groups=4)
    velocity = net(torch.randn(3, chunk, 7), torch.rand(3), net.condition(torch.randn(3, 10)))
    assert velocity.shape == (3, chunk, 7)
    velocity.square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_every_input_matters_and_samples_do_not_mix() -> None:
    torch.manual_seed(0)
    net = ChunkUNet(2, 5, (8, 16), step_embedding=8, groups=4)
    a, k, c = torch.randn(2, 4, 2), torch.tensor([0.3, 0.7]), torch.randn(2, 5)
    both = net(a, k, net.condition(c))
    torch.testing.assert_close(net(a[:1], k[:1], net.condition(c[:1])), both[:1])
    assert not torch.allclose(net(a, 1 - k, net.condition(c)), both)
    assert not torch.allclose(net(a, k, net.condition(-c)), both)


def test_pure_noise_enters_no_level() -> None:
    """At k = 1, v - a^k is a function of the condition alone; at smaller k it is not."""
    torch.manual_seed(0)
    flow = ChunkUNet(3, 5, (16, 32), 8).eval()
    condition = flow.condition(torch.randn(1, 5)).expand(2, -1)
    noise = torch.randn(2, 4, 3)
    for k, alike in ((1.0, True), (0.5, False)):
        rest = flow(noise, torch.full((2,), k), condition) - noise
        assert torch.allclose(rest[0], rest[1], atol=1e-6) is alike


def test_groups_must_divide_widths() -> None:
    with pytest.raises(ValueError, match="groups = 8 must divide"):
        ChunkUNet(2, 5, (8, 12))


@pytest.mark.parametrize(
    ("height", "width", "size"), [(76, 76, (3, 3)), (88, 120, (3, 4)), (106, 276, (4, 9)), (1, 1, (1, 1))]
)
def test_last_map(height: int, width: int, size: tuple[int, int]) -> None:
    assert feature_map_size(height, width) == size
    net = ResNet18(height, width, embedding=5, base_width=2, pooling="flatten")
    assert net(torch.randn(2, 3, height, width)).shape == (2, 5)


def test_paper_sized_resnet_has_resnet18s_weights() -> None:
    """11.17 million weights in the trunk, as in every ResNet-18 without its classifier."""
    net = ResNet18(76, 76, embedding=256, base_width=64, pooling="average")
    trunk = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in net.projection.parameters())
    assert trunk == 11_176_512
    assert net.projection.weight.shape == (256, 512)


def test_unknown_pooling() -> None:
    with pytest.raises(ValueError, match="'max'"):
        ResNet18(8, 8, 4, 2, "max")


def test_pixels() -> None:
    image = torch.tensor([[[[0, 255, 51]]]], dtype=torch.uint8)
    torch.testing.assert_close(images_to_float(image).flatten(), torch.tensor([-1.0, 1.0, -0.6]))


def test_centre_crop() -> None:
    rows = torch.arange(6)[:, None, None].expand(6, 5, 3)
    assert centre_crop(rows, 2, 5)[:, 0, 0].tolist() == [2, 3]


def test_embedding_order_and_size() -> None:
    """Images step by step, camera by camera, then all proprioception."""
    views = [CameraView(name=n, height=9, width=9, crop_height=8, crop_width=8) for n in ("left", "right")]
    encoder = ObservationEncoder(views, steps=3, proprio_dim=2, embedding=4, base_width=2).eval()
    assert encoder.c_dim == 3 * (2 * 4 + 2)
    images = {n: torch.randint(0, 256, (5, 3, 9, 9, 3), dtype=torch.uint8) for n in ("left", "right")}
    proprio = torch.randn(5, 3, 2)
    crops = encoder.crop_centre(images)
    c = encoder(crops, proprio)
    assert c.shape == (5, encoder.c_dim)
    torch.testing.assert_close(c[:, 24:], proprio.flatten(1))
    right_at_step_1 = encoder.backbones[1](images_to_float(crops["right"][:, 1]))
    torch.testing.assert_close(c[:, 12:16], right_at_step_1)


def test_no_camera() -> None:
    encoder = ObservationEncoder([], steps=1, proprio_dim=2)
    proprio = torch.randn(3, 1, 2)
    torch.testing.assert_close(encoder({}, proprio), proprio[:, 0])
