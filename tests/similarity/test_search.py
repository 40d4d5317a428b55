"""Patches, search and similarity: on files made here, and through the lab on a tiny profile."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import similarity as benchmark
from mrinb import recipes
from mrinb.chapters.similarity import experiment
from mrinb.compute import packs
from mrinb.compute.context import Context
from mrinb.compute.publication import publish
from mrinb.compute.runner import ensure
from mrinb.compute.store import Store
from mrinb.data.volumes import Volume
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.profiles import PROFILES
from mrinb.similarity import embedders, search
from mrinb.specs import DataSpec, EmbedderSpec, FeatureSpec, SimilaritySpec
from mrinb.stats import correlation

PD, PDFS = "knee/PD-Skyra", "knee/PDFS-Aera"


def volume(path, slices=3, size=48, name="v"):
    """A bright disc in air with a floor of noise; the first slice is noise alone."""
    rng = np.random.default_rng(0)
    grid = np.hypot(*(np.indices((size, size)) - size / 2))
    target = rng.random((slices, size, size), dtype=np.float32) * 5 + 20
    target[1:] += 80 * (grid < size / 4)
    with h5py.File(path, "w") as file:
        file["reconstruction_rss"] = target
    shape = (slices, 1, size, size)
    return Volume(path, name, "s", PD, slices, shape, (size, size), 200.0, (0, size)), grid


def test_patches_show_the_body(tmp_path):
    found, disc = volume(tmp_path / "v.h5")
    places, images = search.sample(found, 12, 20, 0)
    assert len(places) == len(images) == 20
    assert {p.slice for p in places} == {1, 2}
    with h5py.File(tmp_path / "v.h5") as file:
        target = file["reconstruction_rss"][:]
    wide = disc < 48 / 4 + 7  # the foreground is closed by a 7 x 7 window
    for place, image in zip(places, images, strict=True):
        window = np.s_[place.row : place.row + 12, place.column : place.column + 12]
        np.testing.assert_allclose(image, target[place.slice][window] / 200)
        assert wide[window].mean() >= search.MIN_FOREGROUND


def test_draws_follow_from_the_name_and_are_nested(tmp_path):
    found, _ = volume(tmp_path / "v.h5")
    few, many = (search.sample(found, 12, count, 0)[0] for count in (5, 15))
    assert many[:5] == few
    assert search.sample(found, 12, 5, 0)[0] == few
    assert search.sample(found._replace(name="w"), 12, 5, 0)[0] != few
    assert search.sample(found, 12, 5, 1)[0] != few
    with pytest.raises(MrinbError, match="48 x 48 hold no patch of 49"):
        search.sample(found, 49, 1, 0)


def test_a_volume_of_air_gives_no_patches(tmp_path):
    found, _ = volume(tmp_path / "v.h5", slices=1)
    places, images = search.sample(found, 12, 4, 0)
    assert places == []
    assert images.shape == (0, 12, 12)


def test_patches_scale_with_simulated_images_only():
    data = DataSpec(distribution=PD, split="test")
    assert search.patch_size(data) == 80
    small = data.model_validate({**data.model_dump(), "simulator": {
        "size": 96, "coils": 1, "subjects": 1, "slices": 1}})  # fmt: skip
    assert search.patch_size(small) == 24


sizes = st.lists(st.integers(0, 9), min_size=1, max_size=5)


@given(sizes, st.integers(0, 40))
def test_shares_are_even_and_nested(sizes, count):
    given_ = search.shares(count, sizes)
    assert sum(given_) == min(count, sum(sizes))
    assert all(0 <= g <= size for g, size in zip(given_, sizes, strict=True))
    short = [g for g, size in zip(given_, sizes, strict=True) if g < size]
    assert max(given_) - min(short, default=max(given_)) <= 1
    more = search.shares(count + 1, sizes)
    assert all(a <= b for a, b in zip(given_, more, strict=True))


def unit(rng, *shape):
    features = rng.standard_normal(shape).astype(np.float32)
    return torch.from_numpy(features / np.linalg.norm(features, axis=-1, keepdims=True))


def test_search_in_blocks_equals_brute_force(monkeypatch):
    monkeypatch.setattr(search, "QUERIES", 7)
    rng = np.random.default_rng(0)
    queries, features = unit(rng, 30, 16), unit(rng, 101, 16)
    features[57] = features[12]  # the first of equals is named
    queries[3] = features[12]
    found = search.nearest(queries, features.split(10))
    cosines = queries.double() @ features.double().T
    torch.testing.assert_close(found.similarity.double(), cosines.max(1).values, rtol=0, atol=1e-6)
    assert found.place.tolist() == cosines.argmax(1).tolist()
    assert (found.compared, int(found.place[3])) == (101, 12)
    none = search.nearest(queries, [])
    assert none.compared == 0
    assert (none.place == -1).all()


def test_features_are_read_in_blocks_by_row(monkeypatch, tmp_path):
    monkeypatch.setattr(search, "ROWS", 4)
    features = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float16)
    np.save(tmp_path / "f.npy", features)
    blocks = list(search.read_features(tmp_path / "f.npy"))
    assert [len(b) for b in blocks] == [4, 4, 2]
    np.testing.assert_array_equal(torch.cat(blocks), features)
    rows = np.array([1, 3, 9])
    found = torch.cat(list(search.read_features(tmp_path / "f.npy", rows)))
    np.testing.assert_array_equal(found, features[rows])


EMBEDDER = EmbedderSpec(name="efficientnet-lite0", weights="x", size=32)


def made_features(folder, distribution, split, count, rng):
    """A split's features, made up, in files as the store keeps them."""
    data = DataSpec(distribution=distribution, split=split)
    spec = FeatureSpec(data=data, embedder=EMBEDDER, patch=80, count=count)
    place = folder / spec.key
    place.mkdir()
    np.save(place / search.FEATURES, unit(rng, count, 8).numpy().astype(np.float16))
    places = [search.Patch(f"{i % 3}", f"s{i % 3}", 0, 0, 0) for i in range(count)]
    pd.DataFrame(places).to_parquet(place / f"{search.PLACES}.parquet")
    return spec, place


def test_similarity_at_several_numbers_of_patches(tmp_path):
    rng = np.random.default_rng(1)
    folders = dict(
        made_features(tmp_path, d, split, count, rng)
        for d, split, count in ((PD, "train", 40), (PDFS, "train", 25), (PDFS, "test", 12))
    )
    a, b, test = folders
    context = Context(store=tmp_path / "s", cache=tmp_path / "c", device="cpu")

    def measure(*train):
        pool = Pool.of(*(f.data.distribution for f in train)).expanded()
        spec = SimilaritySpec(test=(test,), pool=pool, train=train, counts=(1, 8, 30, 100))
        return search.similarity(spec, folders, context)

    (union, where), (first, _), (second, _) = measure(a, b), measure(a), measure(b)
    assert union["compared"].tolist() == [1, 8, 30, 65, 65]
    assert second["compared"].tolist() == [1, 8, 25, 25, 25]
    assert (np.diff(union["similarity"], axis=0) >= 0).all()
    # Over all patches the nearest of a union is the nearer of its parts' nearest: never farther.
    np.testing.assert_array_equal(
        union["similarity"][-1], np.maximum(first["similarity"][-1], second["similarity"][-1])
    )
    x, y, q = (np.load(folders[f] / search.FEATURES).astype(float) for f in (a, b, test))
    both = [x, y]
    named = np.stack([both[split][row] for split, row in where])
    np.testing.assert_allclose((named * q).sum(1), union["similarity"][-1], atol=2e-3)
    # Eight patches of a union are four of each.
    cosines = q @ np.concatenate((x[:4], y[:4])).T
    np.testing.assert_allclose(cosines.max(1), union["similarity"][1], atol=2e-3)


TINY = PROFILES["quick"]._replace(
    name="tiny", size=48, coils=2, subjects=(2, 1, 1), slices=4, patches=16, embedder_size=32
)
POOLS = {
    "PD": Pool.of(PD), "P": Pool.of(PD, PDFS), "Q": Pool.of(PDFS),
    "half of P": Pool.of(PD, PDFS).half(),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("similarity")
    return Lab("D", TINY, Context(store=folder / "store", cache=folder / "cache", device="cpu"))


@pytest.fixture(scope="module")
def table(lab):
    return experiment.similarities(lab, POOLS, on=Pool.of(PDFS))


def test_table_of_the_lab(lab, table):
    numbers = table.groupby(["pool", "rule"])["compared"].first()
    assert numbers["P", correlation.ALL] == 32
    assert numbers["PD", correlation.ALL] == 16
    assert 4 <= numbers["half of P", correlation.ALL] < 32
    assert table[table["rule"] == correlation.SAME]["compared"].nunique() == 1
    assert dict(zip(table["pool"], table["contains"], strict=True)) == {
        "PD": False, "P": True, "Q": True, "half of P": True,
    }  # fmt: skip
    assert set(table["distribution"]) == {PDFS}
    assert table["similarity"].between(-1, 1.001).all()
    assert table.note["embedder"] == "EfficientNet-Lite0 in place of CLIP"
    assert table.note["seeds"] == []
    everything = table[table["rule"] == correlation.ALL]
    by_pool = {pool: rows["similarity"].to_numpy() for pool, rows in everything.groupby("pool")}
    for part in ("PD", "Q", "half of P"):
        assert (by_pool["P"] >= by_pool[part]).all()
    # Another contrast is less like the test data than their own.
    assert by_pool["PD"].mean() < by_pool["Q"].mean()


def test_similarities_are_published_and_features_are_not(lab, table, tmp_path):
    idle = replace(lab, context=replace(lab.context, compute="never", cache=tmp_path / "none"))
    again = experiment.similarities(idle, POOLS, on=Pool.of(PDFS))
    pd.testing.assert_frame_equal(again, table)
    publish("D", "tiny", Store(lab.context.store), tmp_path / "published", recipes.RECIPES)
    (folder,) = packs.folders(tmp_path / "published")
    found = list(packs.open_pack(folder).entries())
    assert {entry.kind for entry in found} == {"similarity"}
    assert {name for entry in found for name in entry.files} == {"arrays.npz"}
    fresh = Context(
        store=tmp_path / "fresh", published=(tmp_path / "published",), cache=tmp_path / "none",
        compute="never",
    )  # fmt: skip
    pd.testing.assert_frame_equal(
        experiment.similarities(Lab("D", TINY, fresh), POOLS, Pool.of(PDFS)), table
    )


def test_without_computing_results_of_another_embedder_will_do(lab, table, monkeypatch, tmp_path):
    weights = tmp_path / "clip.safetensors"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(embedders, "cached_clip", lambda: weights)
    idle = replace(lab, context=replace(lab.context, compute="never"))
    pd.testing.assert_frame_equal(experiment.similarities(idle, POOLS, on=Pool.of(PDFS)), table)
    with pytest.raises(MrinbError, match="nothing may be computed"):
        experiment.similarities(idle, POOLS, on=Pool.of(PDFS), clip_weights=str(weights))


def test_pictures_are_of_the_nearest(lab, table):
    shown = experiment.matches(lab, {"Q": POOLS["Q"]}, on=Pool.of(PDFS), shown=3).arrays["Q"]
    assert shown["test"].shape == shown["nearest"].shape == (3, 12, 12)
    assert shown["test"].dtype == np.uint8
    assert set(shown["from"]) == {PDFS}
    rows = table[(table["pool"] == "Q") & (table["rule"] == correlation.ALL)]
    assert shown["similarity"] == pytest.approx(rows["similarity"].to_numpy()[:3])
    embedder = embedders.load(embedders.choose("", 32, cached=False), "cpu")
    pair = [shown[n].astype(np.float32) / 255 for n in ("test", "nearest")]
    one, other = (np.stack(list(embedder.features(p))).astype(float) for p in pair)
    assert (one * other).sum(1) == pytest.approx(shown["similarity"].astype(float), abs=0.03)


def test_the_background_rule_is_shown(lab):
    arrays = experiment.patches(lab, [PDFS]).arrays[PDFS]
    side = int(arrays["patch"])
    for name, kept in (("kept", True), ("discarded", False)):
        for row, column in arrays[name]:
            window = arrays["foreground"][row : row + side, column : column + side]
            assert (window.mean() >= search.MIN_FOREGROUND) == kept
    assert len(arrays["kept"])


def test_specs_of_other_versions_are_outdated(lab):
    spec = next(iter(experiment._specs(lab, POOLS, Pool.of(PDFS), "test", "").values()))
    outdated = recipes.RECIPES[SimilaritySpec].outdated
    assert outdated(spec) is None
    assert "search has version" in outdated(spec.model_copy(update={"version": 0}))
    for change, words in (({"foreground": 0}, "foreground has"), ({"version": 0}, "patches have")):
        test = tuple(f.model_copy(update=change) for f in spec.test)
        assert words in outdated(spec.model_copy(update={"test": test}))


def test_pools_are_compared_at_the_largest_number_that_all_have(lab):
    specs = [
        *experiment._specs(lab, {n: POOLS[n] for n in ("PD", "P")}, POOLS["Q"], "test", "").values()
    ]
    assert specs[0].counts == (2, 4, 8, 16, 32, 64)
    compared = np.array([2, 4, 8, 16, 16, 16, 16]), np.array([2, 4, 8, 15, 15, 15, 15])
    assert search.same_number(specs, compared[:1]) == 16
    assert search.same_number(specs, compared) == 8
    with pytest.raises(MrinbError, match=r"pool \(knee/PD-Skyra\) gave 1 patches: too few"):
        search.same_number(specs, [np.ones(7, int), compared[1]])


def test_missing_data_of_a_split_without_body_is_an_error(lab, monkeypatch):
    monkeypatch.setattr(search, "MIN_FOREGROUND", 1.1)
    spec = search.feature_spec(lab.data(PD, "val"), experiment._specs(lab, 
        {"Q": POOLS["Q"]}, POOLS["Q"], "test", "")["Q"].test[0].embedder, 4)  # fmt: skip
    with pytest.raises(MrinbError, match="knee/PD-Skyra val: no patch of 12 x 12"):
        ensure([spec], lab.context, recipes.RECIPES)
    assert Path(lab.context.store).is_dir()


def test_memory_of_the_search_does_not_grow_with_the_features(tmp_path):
    few, many = (benchmark._write(tmp_path / f"{n}.npy", n) for n in (20_000, 150_000))
    peaks = [benchmark.measure(path, 100)[1] for path in (few, many)]
    assert many.stat().st_size - few.stat().st_size > 130e6
    assert peaks[1] - peaks[0] < 90e6
