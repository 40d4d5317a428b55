import json
import os
import signal
import subprocess
import sys

import fastmri
import fastmri.data.transforms as transforms
import numpy as np
import pytest
import torch
from fastmri.models import Unet
from places import GOLDEN, HELPERS
from safetensors.torch import load_file
from toy_slices import ToySlices, spec

from mrinb.errors import MrinbError
from mrinb.recon import masks, models, training
from mrinb.specs import ModelSpec, TrainSpec


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors gain nothing from threads, and bytes are compared with other processes'."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(folder, description=None, slices=None, **options):
    return training.train(
        description or spec(), slices or ToySlices(), folder, **{"device": "cpu", **options}
    )


@pytest.mark.parametrize("steps", [7, 99, 101, 250, 1000])
def test_rates_are_those_of_a_linear_one_cycle(steps):
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        adam, 1e-3, total_steps=steps, pct_start=0.01, anneal_strategy="linear",
        cycle_momentum=False, div_factor=25, final_div_factor=1,
    )  # fmt: skip
    theirs = []
    for _ in range(steps):
        theirs.append(adam.param_groups[0]["lr"])
        adam.step()
        if len(theirs) < steps:
            cycle.step()
    assert training.rates(steps, 1e-3) == pytest.approx(np.array(theirs), rel=1e-9)


def test_rates_of_a_hundred_steps_and_of_one_are_finite():
    # OneCycleLR divides by zero for 100 steps.
    assert training.rates(100, 1e-3)[[0, -1]] == pytest.approx([1e-3, 4e-5])
    assert np.isfinite(training.rates(1, 1e-3)).all()


def test_an_epoch_takes_every_slice_once_in_batches_of_one_volume():
    volumes = list("aaaaabbbc")
    batches = training.order(volumes, 2, seed=1, epoch=0)
    assert sorted(i for batch in batches for i in batch) == list(range(9))
    assert all(len({volumes[i] for i in batch}) == 1 for batch in batches)
    assert sorted(map(len, batches)) == [1, 1, 1, 2, 2, 2]
    others = [training.order(volumes, 2, 1, 1), training.order(volumes, 2, 2, 0)]
    assert batches not in others
    assert training.order(volumes, 2, 1, 0) == batches


def test_history_and_checkpoints(tmp_path):
    seen = []
    history = run(
        tmp_path, spec(checkpoints=(1,)), progress=lambda step, _, loss: seen.append((step, loss))
    )
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"epoch-0{epoch}.safetensors" for epoch in (1, 2, 3)]
    assert list(history.columns) == ["epoch", "step", "loss", "lr", "seconds"]
    assert history["step"].tolist() == list(range(1, 37))
    assert history["epoch"].tolist() == [1] * 12 + [2] * 12 + [3] * 12
    assert history["lr"].to_numpy() == pytest.approx(training.rates(36, 1e-3))
    assert history["seconds"].is_monotonic_increasing
    assert seen == list(zip(history["step"], history["loss"], strict=True))


def test_weights_of_early_stopping_are_kept_and_those_asked_for():
    assert training.kept_epochs(spec(epochs=60)) == [20, 40, 60]
    assert training.kept_epochs(spec(epochs=6, checkpoints=(1, 9))) == [1, 2, 4, 6]
    assert training.kept_epochs(spec(epochs=1)) == [1]


def test_training_lowers_the_loss(tmp_path):
    history = run(tmp_path, spec(epochs=12, learning_rate=3e-3))
    by_epoch = history.groupby("epoch")["loss"].mean()
    assert by_epoch.iloc[-1] < 0.9 * by_epoch.iloc[0]


def test_history_has_at_most_about_fifty_rows_an_epoch(tmp_path):
    slices = ToySlices(volumes=26, slices=4, shape=(16, 20), recon_width=16)
    history = run(tmp_path, spec(epochs=2), slices)
    assert history["step"].tolist()[:3] == [3, 6, 9]
    assert history["step"].tolist()[34:36] == [104, 107]
    assert len(history) == 70


def test_the_same_run_gives_the_same_bytes_whatever_torch_drew_before(tmp_path):
    run(tmp_path / "a")
    torch.manual_seed(123)
    state = torch.get_rng_state()
    run(tmp_path / "b")
    assert torch.equal(torch.get_rng_state(), state)
    files = [tmp_path / name / "epoch-03.safetensors" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    run(tmp_path / "c", spec(seed=1))
    assert files[0].read_bytes() != (tmp_path / "c" / "epoch-03.safetensors").read_bytes()


def plain_loop(description, slices, network, steps):
    """Losses of a training loop on fastMRI's pieces: its FFT, transforms, U-net and loss."""
    loss_function = fastmri.SSIMLoss()
    adam = torch.optim.Adam(network.parameters(), lr=0.0, betas=(0.9, 0.999))
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        adam, description.learning_rate, total_steps=len(slices) * description.epochs,
        pct_start=0.01, anneal_strategy="linear", cycle_momentum=False, div_factor=25,
        final_div_factor=1,
    )  # fmt: skip
    losses = []
    for epoch in range(description.epochs):
        order = training.order([v.name for v, _ in slices.items], 1, description.seed, epoch)
        for position, (index,) in enumerate(order):
            data = slices[index]
            kspace = fastmri.fft2c(fastmri.ifft2c(torch.view_as_real(data.hybrid)))
            height = kspace.shape[-3]
            full = torch.fft.fft(torch.fft.ifftshift(torch.view_as_complex(kspace), dim=-2), dim=-2)
            full = torch.fft.fftshift(full, dim=-2) / height**0.5
            mask = masks.for_step(
                description.sampling, description.seed, epoch, position, full.shape[-1]
            )
            masked = torch.view_as_real(full * mask.lines)
            size = data.target.shape
            image = transforms.complex_center_crop(fastmri.ifft2c(masked), size)
            image = fastmri.rss(fastmri.complex_abs(image))
            image, mean, std = transforms.normalize_instance(image, eps=1e-11)
            output = network(image[None, None]) * std + mean
            loss = loss_function(output, data.target[None, None], torch.tensor([data.max_value]))
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), description.clip)
            adam.step()
            cycle.step()
            losses.append(loss.item())
            if len(losses) == steps:
                return losses
    raise AssertionError("too few steps")


def compare_with_plain_loop(folder, slices, rate, steps=50):
    """Both loops' losses of the first steps of a schedule of 180."""

    class Enough(Exception):
        pass

    def note(step, total, loss):
        ours.append(loss)
        if step == steps:
            raise Enough

    model = ModelSpec(name="unet", options=(("channels", 8), ("pools", 2)))
    description = spec(model=model, epochs=10, learning_rate=rate)
    torch.manual_seed(description.seed)
    theirs = plain_loop(description, slices, Unet(1, 1, 8, 2), steps)
    ours = []
    with pytest.raises(Enough):
        run(folder, description, slices, progress=note)
    return np.array(ours), np.array(theirs)


def test_fifty_losses_equal_those_of_a_plain_loop_on_fastmris_pieces(tmp_path):
    slices = ToySlices(volumes=3, slices=6, shape=(48, 54), recon_width=48)
    ours, theirs = compare_with_plain_loop(tmp_path, slices, rate=1e-4)
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_in_double_precision_they_are_equal_at_the_papers_learning_rate(tmp_path):
    # In single precision, rounding alone grows to 1e-3 in 50 steps of this size, in both loops.
    slices = ToySlices(volumes=3, slices=6, shape=(48, 54), recon_width=48)
    slices.data = [
        d._replace(hybrid=d.hybrid.to(torch.complex128), target=d.target.double())
        for d in slices.data
    ]
    torch.set_default_dtype(torch.float64)
    try:
        ours, theirs = compare_with_plain_loop(tmp_path, slices, rate=1e-3)
    finally:
        torch.set_default_dtype(torch.float32)
    assert ours == pytest.approx(theirs, abs=1e-7)
    assert ours[-1] < ours[0] - 0.3


KILLED = """
import sys, time
from pathlib import Path
import torch
sys.path.insert(0, {here!r})
from toy_slices import ToySlices, spec
from mrinb.recon.training import train
torch.set_num_threads(1)
def slowly(step, total, loss):
    print(step, flush=True)
    time.sleep(0.02)
train(spec(epochs=4, checkpoints=(1,)), ToySlices(), Path({folder!r}), device="cpu",
      progress=slowly, state_seconds=0.0)
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    description = spec(epochs=4, checkpoints=(1,))
    whole = run(tmp_path / "whole", description)
    code = KILLED.format(here=str(HELPERS), folder=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 19:  # In the second of four epochs.
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert (tmp_path / "killed" / "state.safetensors").exists()
    steps = []
    history = run(tmp_path / "killed", description, progress=lambda step, *_: steps.append(step))
    assert 15 <= steps[0] <= 24
    assert steps[-1] == 48
    for name in ("epoch-01.safetensors", "epoch-04.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "killed" / "state.safetensors").exists()
    columns = ["epoch", "step", "loss", "lr"]
    assert history[columns].equals(whole[columns])


@pytest.mark.parametrize("damage", ["foreign", "cut", "nothing"])
def test_a_state_of_no_use_is_started_over(tmp_path, damage):
    class Stop(Exception):
        pass

    def stop(step, *_):
        if step == 20:
            raise Stop

    with pytest.raises(Stop):
        run(
            tmp_path, spec(seed=1) if damage == "foreign" else spec(),
            progress=stop, state_seconds=0.0,
        )  # fmt: skip
    state = tmp_path / "state.safetensors"
    if damage == "cut":
        state.write_bytes(state.read_bytes()[:1000])
    steps = []
    run(tmp_path, progress=lambda step, *_: steps.append(step))
    assert steps[0] == (20 if damage == "nothing" else 1)


class Spoiled(ToySlices):
    """Slices one of which holds something that is not a number."""

    def __init__(self, name, value):
        super().__init__()
        spoiled = getattr(self.data[5], name).clone()
        spoiled[..., 16] = value
        self.data[5] = self.data[5]._replace(**{name: spoiled})


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("hybrid", float("nan"), "NaN or Inf in the k-space of volume toy1, slice 1: "),
        ("target", float("inf"), "NaN or Inf in the target of volume toy1, slice 1: "),
    ],
)
def test_data_that_are_not_numbers_stop_the_run_and_are_named(tmp_path, name, value, words):
    with pytest.raises(MrinbError, match=words):
        run(tmp_path, slices=Spoiled(name, value))
    assert not list(tmp_path.glob("epoch-*"))


def test_a_loss_that_is_not_a_number_names_the_slice(tmp_path):
    slices = ToySlices()
    slices.data[5] = slices.data[5]._replace(max_value=float("nan"))
    with pytest.raises(MrinbError, match="loss is not a number at volume toy1, slice 1: lower"):
        run(tmp_path, slices=slices)


def test_two_processes_share_a_step_as_one_takes_it_alone(tmp_path):
    # Batches of 3, 3 and 1 slices of each volume of 7: shares are uneven, and one is empty.
    slices = ToySlices(volumes=2, slices=7)
    description = spec(batch_size=3, epochs=2)
    alone = run(tmp_path / "one", description, slices)
    shared = run(tmp_path / "two", description, slices, devices=2)
    assert shared["step"].tolist() == alone["step"].tolist()
    assert shared["loss"].to_numpy() == pytest.approx(alone["loss"].to_numpy(), abs=1e-4)
    weights = [load_file(tmp_path / name / "epoch-02.safetensors") for name in ("one", "two")]
    for key, value in weights[0].items():
        assert torch.allclose(value, weights[1][key], atol=1e-4), key


def test_an_error_in_another_process_is_one_line_here(tmp_path):
    with pytest.raises(MrinbError, match="NaN or Inf in the k-space of volume toy1, slice 1: "):
        run(tmp_path, spec(batch_size=2), Spoiled("hybrid", float("nan")), devices=2)


def test_what_cannot_be_trained_is_one_clear_line(tmp_path):
    with pytest.raises(MrinbError, match="has no training slices"):
        training.train(spec(), ToySlices(volumes=0), tmp_path)
    with pytest.raises(MrinbError, match="1 slices cannot be dealt out to 2 devices"):
        run(tmp_path, devices=2)
    with pytest.raises(MrinbError, match="unknown device 'gpu': valid: auto, cpu, cuda"):
        run(tmp_path, device="gpu")
    with pytest.raises(MrinbError, match="device cuda:99: this machine has"):
        run(tmp_path, device="cuda:99")


def test_weights_come_back_and_others_are_refused(tmp_path):
    run(tmp_path)
    file = training.weights_file(tmp_path, 3)
    model = models.build(spec().model)
    training.load_weights(model, file)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in load_file(file).items())
    other = models.build(ModelSpec(name="unet", options=(("channels", 5), ("pools", 2))))
    with pytest.raises(MrinbError, match=r"epoch-03.safetensors are of another network"):
        training.load_weights(other, file)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(MrinbError, match="cannot read the weights"):
        training.load_weights(model, file)
    with pytest.raises(MrinbError, match="cannot read the weights"):
        training.load_weights(model, tmp_path / "none.safetensors")


def test_the_learning_rate_grid_differs_in_nothing_else():
    grid = training.learning_rate_grid(spec())
    assert [g.learning_rate for g in grid] == [1.3e-3, 1e-3, 7e-4, 4e-4]
    assert {g.model_copy(update={"learning_rate": 0.0}) for g in grid} == {spec(learning_rate=0.0)}


def test_losses_change_only_with_the_trainers_version(tmp_path):
    """The golden run; where it changes, raise ``TrainSpec.version`` and write both here."""
    golden = json.loads((GOLDEN / "trainer.json").read_text())
    history = run(tmp_path, spec(epochs=1), ToySlices(volumes=1, slices=5))
    assert golden["version"] == TrainSpec.model_fields["version"].default
    assert [round(loss, 3) for loss in history["loss"]] == golden["losses"]
