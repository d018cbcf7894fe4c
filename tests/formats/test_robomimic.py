"""robomimic's HDF5: the layout of the published multi-human files in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.formats.foreign import MH_ENV, write_robomimic_file
from tests.formats.small import PLACE_ORANGE, episode_of, header_of, small_dataset
from zprl_core.actions import ActionCodec
from zprl_core.config import load_task
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.choices import RotationForm
from zprl_core.data.formats.gripper import GripperScale
from zprl_core.data.formats.importing import Draw, import_dataset
from zprl_core.data.formats.planning import ImportOptions, make_plan
from zprl_core.data.formats.robomimic import RobomimicSource
from zprl_core.data.formats.robomimic_writing import write_robomimic
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import DataError, ZprlError
from zprl_core.transforms import angle_between

CAN = load_task("can")
PANDA = GripperScale(open_command=-1.0, open_width_m=0.08, closed_command=1.0, closed_width_m=0.0)
OPTIONS = ImportOptions(gripper=PANDA)


def imported(
    path: Path, out: Path, options: ImportOptions = OPTIONS, task: Any = CAN, draw: Draw | None = None
) -> StoredDataset:
    with RobomimicSource(path) as source:
        import_dataset(source, make_plan(source, task, options), out, draw=draw)
    return open_dataset(out)


def test_a_draw_of_its_episodes(tmp_path: Path) -> None:
    path = tmp_path / "image_abs.hdf5"
    write_robomimic_file(path, lengths=(3, 4, 5, 6, 7))
    (one,) = imported(path, tmp_path / "one", draw=Draw(1, 0)).lengths
    three = imported(path, tmp_path / "three", draw=Draw(3, 0))
    assert len(three) == 3 and one in three.lengths and three.lengths == sorted(three.lengths)
    assert three.header.facts["imported"]["drawn_of"] == 5
    with RobomimicSource(path) as source:
        assert len({tuple(Draw(3, seed).of(source)) for seed in range(9)}) > 3, "another seed, another draw"
    with pytest.raises(DataError, match="has 5 episodes, 6 are to be drawn of it"):
        imported(path, tmp_path / "six", draw=Draw(6, 0))
    assert not (tmp_path / "six").exists()


def test_every_array_of_a_multi_human_file_lands_where_the_task_wants_it(tmp_path: Path) -> None:
    held = write_robomimic_file(tmp_path / "image_abs.hdf5")
    data = imported(tmp_path / "image_abs.hdf5", tmp_path / "data")
    assert data.lengths == [5, 3]
    for number, episode in enumerate(data):
        for camera in ("agentview", "robot0_eye_in_hand"):
            np.testing.assert_array_equal(episode.images[camera], held[f"{camera}_image"][number])
        q = np.concatenate(
            [held[f"robot0_{key}"][number] for key in ("eef_pos", "eef_quat", "gripper_qpos")], 1
        )
        np.testing.assert_array_equal(episode.proprio, q.astype(np.float32))
        matrix = Rotation.from_rotvec(held["actions"][number][:, 3:6]).as_matrix()
        columns = np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], axis=1)
        np.testing.assert_allclose(episode.action[:, :3], held["actions"][number][:, :3], atol=1e-6)
        np.testing.assert_allclose(episode.action[:, 3:9], columns, atol=1e-6)
        widths = np.where(held["actions"][number][:, 6] < 0, 0.08, 0.0)
        np.testing.assert_allclose(episode.action[:, 9], widths, atol=1e-7)
        np.testing.assert_array_equal(episode.stamp_ns, np.arange(len(episode)) * 50_000_000)
    assert [info.outcome for info in data.infos] == ["success", "success"]
    assert [info.facts["splits"] for info in data.infos] == [["train"], ["valid"]]
    assert data.infos[0].facts["rewards"] == {"ticks": [4], "values": [1.0]}
    assert data.header.provenance is None


def test_two_arms_take_both_tools(tmp_path: Path) -> None:
    task = load_task("transport")
    cameras = tuple(view.name for view in task.observation.cameras)
    held = write_robomimic_file(tmp_path / "abs.hdf5", (4,), arms=2, cameras=cameras)
    episode = imported(tmp_path / "abs.hdf5", tmp_path / "data", task=task).episode(0)
    assert episode.action.shape == (4, 20) and episode.proprio.shape == (4, 18)
    np.testing.assert_allclose(episode.action[:, 10:13], held["actions"][0][:, 7:10], atol=1e-6)
    np.testing.assert_allclose(episode.proprio[:, 9:12], held["robot1_eef_pos"][0], atol=1e-6)


def test_round_trip_restores_the_dataset_and_the_file(tmp_path: Path) -> None:
    held = write_robomimic_file(tmp_path / "abs.hdf5")
    data = imported(tmp_path / "abs.hdf5", tmp_path / "data")
    assert data.header.action is not None
    form = ActionForm(data.header.action, "rotvec", PANDA)
    write_robomimic(data, tmp_path / "out.hdf5", form)
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert list(file["mask/train"]) == [b"demo_0"]
        for number in range(2):
            demo = file[f"data/demo_{number}"]
            np.testing.assert_allclose(demo["actions"], held["actions"][number], atol=2e-6)
            for key in ("rewards", "dones"):
                np.testing.assert_array_equal(demo[key], held[key][number])
            for key in demo["obs"]:
                expected = np.asarray(held[key][number])
                np.testing.assert_allclose(demo[f"obs/{key}"], expected, rtol=1e-6)
                np.testing.assert_allclose(
                    demo[f"next_obs/{key}"], np.concatenate([expected[1:], expected[-1:]]), rtol=1e-6
                )
            assert sorted(demo["obs"]) == sorted(
                key for key in held if key.endswith("image") or "robot" in key
            )
    again = imported(tmp_path / "out.hdf5", tmp_path / "again", ImportOptions())
    assert again.infos == data.infos
    assert again.header == data.header
    for one, other in zip(data, again, strict=True):
        for name, array in one.arrays().items():
            np.testing.assert_allclose(other.arrays()[name], array, atol=2e-6)


@pytest.mark.parametrize("rotation", ["task", "quat_wxyz"])
def test_an_export_knows_what_its_orientations_stand_for(tmp_path: Path, rotation: RotationForm) -> None:
    """Rotation vectors from the tool pointing down are others from a tool that is turned as well."""
    task = PLACE_ORANGE
    data = small_dataset(tmp_path / "data", task)
    assert data.header.action is not None
    write_robomimic(data, tmp_path / "out.hdf5", ActionForm(data.header.action, rotation))
    assert task.action.reference_quat_wxyz == (0.0, 1.0, 0.0, 0.0)
    other = replace(task, action=replace(task.action, reference_quat_wxyz=(0.0, 0.8, 0.6, 0.0)))
    if rotation == "task":
        with pytest.raises(DataError, match=r"are those of another task: .*--action-rotation quat_wxyz"):
            imported(tmp_path / "out.hdf5", tmp_path / "other", ImportOptions(), other)
    else:
        found = imported(tmp_path / "out.hdf5", tmp_path / "other", ImportOptions(), other)
        assert found.header.action is not None
        mine, theirs = (
            each.header.action.decode(each.episode(0).action)[0].quaternion  # type: ignore[union-attr]
            for each in (data, found)
        )
        assert angle_between(mine, theirs).max() < 1e-4
    again = imported(tmp_path / "out.hdf5", tmp_path / "again", ImportOptions(), task)
    np.testing.assert_allclose(again.episode(0).action, data.episode(0).action, atol=1e-5)


def test_an_export_that_is_thinned_keeps_its_rewards_where_they_belong(tmp_path: Path) -> None:
    header, task = header_of(PLACE_ORANGE), PLACE_ORANGE
    episode = episode_of(header, 9, 1)
    facts = {"rewards": {"ticks": [3, 8], "values": [0.5, 1.0]}, "done_ticks": [8]}
    with DatasetWriter(tmp_path / "data", header) as writer:
        writer.add(replace(episode, info=replace(episode.info, facts=facts)))
    form = ActionForm(ActionCodec.from_config(task.action))
    write_robomimic(open_dataset(tmp_path / "data"), tmp_path / "out.hdf5", form)
    half = replace(task, rate_hz=task.rate_hz / 2)
    thinned = imported(tmp_path / "out.hdf5", tmp_path / "half", ImportOptions(thin=True), half)
    assert thinned.lengths == [5]
    assert thinned.infos[0].facts == {"rewards": {"ticks": [1, 4], "values": [0.5, 1.0]}, "done_ticks": [4]}


def test_published_deltas_are_refused_by_where_they_point(tmp_path: Path) -> None:
    write_robomimic_file(tmp_path / "image.hdf5", actions="delta")
    with pytest.raises(
        DataError, match=r"no absolute poses.*image_abs\.hdf5.*robosuite_add_absolute_actions"
    ):
        imported(tmp_path / "image.hdf5", tmp_path / "data")


def _remove_tool_poses(file: h5py.File) -> None:
    for demo in file["data"].values():
        for key in ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"):
            del demo[f"obs/{key}"]
        demo["obs/q"] = np.zeros((demo.attrs["num_samples"], 9))


def test_without_tool_poses_env_args_decide_or_the_user(tmp_path: Path) -> None:
    path = tmp_path / "image.hdf5"
    write_robomimic_file(path)
    with h5py.File(path, "a") as file:
        _remove_tool_poses(file)
    options = replace(OPTIONS, proprio=("q",))
    with pytest.raises(DataError, match=r"control_delta: true.*--absolute"):
        imported(path, tmp_path / "data", options)
    assert len(imported(path, tmp_path / "data", replace(options, absolute=True))) == 2
    kwargs = {
        **MH_ENV["env_kwargs"],
        "controller_configs": {"body_parts": {"right": {"input_type": "absolute"}}},
    }
    write_robomimic_file(path, env={**MH_ENV, "env_kwargs": kwargs})
    with h5py.File(path, "a") as file:
        _remove_tool_poses(file)
    assert len(imported(path, tmp_path / "newer", options)) == 2


def test_actions_abs_is_taken_before_actions(tmp_path: Path) -> None:
    path = tmp_path / "image.hdf5"
    held = write_robomimic_file(path, actions="delta")
    with h5py.File(path, "a") as file:
        for number, demo in enumerate(file["data"].values()):
            demo["actions_abs"] = held["absolute"][number]
    data = imported(path, tmp_path / "data")
    np.testing.assert_allclose(data.episode(0).action[:, :3], held["absolute"][0][:, :3], atol=1e-6)


def _nan(file: h5py.File) -> None:
    file["data/demo_1/actions"][2, 4] = np.nan


def _short(file: h5py.File) -> None:
    array = file["data/demo_1/obs/agentview_image"][:2]
    del file["data/demo_1/obs/agentview_image"]
    file["data/demo_1/obs/agentview_image"] = array


def _empty(file: h5py.File) -> None:
    demo = file["data/demo_1"]
    demo.attrs["num_samples"] = 0
    for place in (demo, demo["obs"]):
        for key in [key for key in place if isinstance(place[key], h5py.Dataset)]:
            array = place[key][:0]
            del place[key]
            place[key] = array


def _missing(file: h5py.File) -> None:
    del file["data/demo_1/obs/robot0_eef_quat"]


def _floats(file: h5py.File) -> None:
    array = file["data/demo_0/obs/agentview_image"][()] / 255.0
    del file["data/demo_0/obs/agentview_image"]
    file["data/demo_0/obs/agentview_image"] = array


def _no_camera(file: h5py.File) -> None:
    for demo in file["data"].values():
        del demo["obs/robot0_eye_in_hand_image"]


def _no_group(file: h5py.File) -> None:
    file.move("data", "episodes")


def _bad_env(file: h5py.File) -> None:
    file["data"].attrs["env_args"] = "{"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_nan, r"demo_1: actions is \[.*nan.*at tick 2"),
        (_short, r"demo_1: 'agentview_image' is \(2, 84, 84, 3\), but num_samples is 3"),
        (_empty, r"demo_1: has no ticks"),
        (_missing, r"demo_1: has no 'robot0_eef_quat'; it has: .*agentview_image"),
        (_floats, r"agentview_image: is float64 .* must be uint8"),
        (_no_camera, r"no pictures for camera 'robot0_eye_in_hand'.*--camera robot0_eye_in_hand=KEY"),
        (_no_group, r"has no group 'data' but episodes, mask"),
        (_bad_env, r"env_args of data: not JSON"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(
    tmp_path: Path, spoil: Callable[[h5py.File], None], said: str
) -> None:
    path = tmp_path / "abs.hdf5"
    write_robomimic_file(path)
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(ZprlError, match=said):
        imported(path, tmp_path / "data")
    assert [each.name for each in tmp_path.iterdir()] == ["abs.hdf5"]


def test_a_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "abs.hdf5"
    write_robomimic_file(path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DataError, match=r"abs\.hdf5: is no whole HDF5 file"):
        imported(path, tmp_path / "data")


def test_what_has_to_be_said_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "abs.hdf5"
    write_robomimic_file(path, size=(96, 128))
    with pytest.raises(ZprlError, match=r"--gripper-open COMMAND WIDTH .* --gripper-as-is"):
        imported(path, tmp_path / "data", ImportOptions())
    with pytest.raises(DataError, match=r"96x128 pixels.*camera 84x84.*--fit resize"):
        imported(path, tmp_path / "data")
    task = replace(CAN, rate_hz=10.0)
    with pytest.raises(DataError, match=r"has 20 Hz, the task 10 Hz; --thin keeps every 2th tick"):
        imported(path, tmp_path / "data", task=task)
    with pytest.raises(
        ZprlError, match=r"has no 'q'; choose with --proprio KEY,KEY one of: .*agentview_image"
    ):
        imported(path, tmp_path / "data", replace(OPTIONS, proprio=("q",)))


def test_every_second_tick_pairs_its_observation_with_the_setpoint_at_its_end(tmp_path: Path) -> None:
    held = write_robomimic_file(tmp_path / "abs.hdf5", (5,))
    data = imported(
        tmp_path / "abs.hdf5", tmp_path / "data", replace(OPTIONS, thin=True), replace(CAN, rate_hz=10.0)
    )
    episode = data.episode(0)
    np.testing.assert_allclose(episode.proprio[:, :3], held["robot0_eef_pos"][0][[0, 2, 4]], atol=1e-6)
    np.testing.assert_allclose(episode.action[:, :3], held["actions"][0][[1, 3, 4], :3], atol=1e-6)
    assert episode.info.facts["rewards"] == {"ticks": [2], "values": [1.0]}
    assert np.diff(episode.stamp_ns).tolist() == [100_000_000] * 2


def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    write_robomimic_file(tmp_path / "abs.hdf5")
    data = imported(tmp_path / "abs.hdf5", tmp_path / "data")
    assert data.header.action is not None
    narrow = GripperScale(-1.0, 0.04, 1.0, 0.0)
    with pytest.raises(DataError, match=r"gripper width 0\.08 at tick"):
        write_robomimic(data, tmp_path / "out.hdf5", ActionForm(data.header.action, "rotvec", narrow))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["abs.hdf5", "data"]
    with pytest.raises(DataError, match="is there already"):
        write_robomimic(data, tmp_path / "abs.hdf5", ActionForm(data.header.action))
