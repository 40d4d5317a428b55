import json

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from mrinb.errors import MrinbError
from mrinb.similarity import embedders

TINY = "mrinb-tiny-clip"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small CLIP of ViT-B/16's kind, registered with open_clip, and a file of its weights."""
    folder = tmp_path_factory.mktemp("clip")
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 224, "layers": 1, "width": 64, "patch_size": 56},
        "text_cfg": {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 1, "layers": 1},
    }
    (folder / f"{TINY}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{TINY}.json")
    torch.manual_seed(0)
    model = open_clip.create_model(TINY, pretrained=None, load_weights=False).eval()
    save_file(model.state_dict(), folder / "weights.safetensors")
    return model, folder / "weights.safetensors"


def patches(count=5, size=10):
    return np.random.default_rng(0).random((count, size, size), dtype=np.float32)


def test_the_stand_in_gives_unit_features_whatever_the_batch(monkeypatch):
    embedder = embedders.load(embedders.choose("", 64, cached=False), "cpu")
    images = patches()
    found = np.stack(list(embedder.features(images)))
    assert found.shape == (5, 1280)
    assert found.dtype == np.float16
    assert np.linalg.norm(found.astype(float), axis=1) == pytest.approx(1, abs=1e-3)
    monkeypatch.setattr(embedders, "BATCH", 2)
    again = np.stack(list(embedder.features(images)))
    np.testing.assert_allclose(again.astype(float), found.astype(float), atol=1e-3)
    others = found.astype(float) @ found.astype(float).T
    assert others[~np.eye(5, dtype=bool)].max() < 0.999


def test_the_stand_in_knows_a_uniform():
    """Its weights are at the right layers, or it would not recognise a photograph."""
    from matplotlib import cbook
    from PIL import Image
    from timm.data import ImageNetInfo

    photo = Image.open(cbook.get_sample_data("grace_hopper.jpg")).convert("RGB")
    square = photo.crop((0, 0, photo.width, photo.width)).resize(
        (224, 224), Image.Resampling.BICUBIC
    )
    image = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 127.5 - 1
    network = embedders._lite(embedders._lite_file()).eval()
    head = torch.load(embedders._lite_file(), weights_only=True)
    with torch.inference_mode():
        logits = network(image) @ head["_fc.weight"].T + head["_fc.bias"]
    best = ImageNetInfo().index_to_description(int(logits.argmax()))
    assert "military uniform" in best


def test_preprocessing_is_clipped_grey_enlarged_and_normalised():
    embedder = embedders.Embedder(
        lambda images: images.flatten(1), (0.5, 0.4, 0.3), (1.0, 1.0, 1.0), 4, torch.device("cpu")
    )
    seen = embedder._input(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]))
    assert seen.shape == (1, 3, 4, 4)
    assert (seen[0, 0] + 0.5).min() >= 0
    assert (seen[0, 0] + 0.5).max() <= 1
    torch.testing.assert_close(seen[0, 0] + 0.5, seen[0, 2] + 0.3)
    bright = next(iter(embedder.features([np.full((2, 2), 7.0, np.float32)]))).astype(float)
    white = next(iter(embedder.features([np.ones((2, 2), np.float32)]))).astype(float)
    np.testing.assert_array_equal(bright, white)


def test_clip_is_loaded_from_a_file(tiny, monkeypatch):
    model, path = tiny
    monkeypatch.setattr(embedders, "CLIP_ARCHITECTURE", TINY)
    spec = embedders.choose(str(path), 112)
    assert (spec.name, spec.size) == (embedders.CLIP_NAME, 224)
    assert embedders.words(spec) == "CLIP ViT-B/16 DataComp"
    embedder = embedders.load(spec, "cpu")
    found = np.stack(list(embedder.features(patches()))).astype(float)
    with torch.inference_mode():
        wanted = model.encode_image(embedder._input(torch.from_numpy(patches())), normalize=True)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3)


def test_the_file_is_in_the_key_and_its_place_is_not(tiny, tmp_path):
    _, path = tiny
    (tmp_path / "copy.safetensors").write_bytes(path.read_bytes())
    here, there = (embedders.choose(str(p), 112) for p in (path, tmp_path / "copy.safetensors"))
    assert here.key == there.key
    assert here.path != there.path
    (tmp_path / "copy.safetensors").write_bytes(b"other")
    assert embedders.choose(str(tmp_path / "copy.safetensors"), 112).key != here.key
    with pytest.raises(MrinbError, match=r"has SHA-256 .* results are of"):
        embedders.load(there, "cpu")


def test_a_foreign_file_is_one_clear_line(tiny, tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(MrinbError, match=r"clip_weights .*other.safetensors: not the weights") as e:
        embedders.clip(tmp_path / "other.safetensors", TINY)
    assert "\n" not in str(e.value)
    with pytest.raises(MrinbError, match=r"clip_weights .*none.pt: no such file"):
        embedders.choose(str(tmp_path / "none.pt"), 112)


def test_clip_is_found_where_open_clip_keeps_it(monkeypatch, tmp_path):
    known = open_clip.get_pretrained_cfg(embedders.CLIP_ARCHITECTURE, embedders.CLIP_TAG)
    assert known["hf_hub"].strip("/") == embedders.CLIP_REPOSITORY
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert embedders.cached_clip() is None
    assert embedders.choose("", 112).name == embedders.LITE_NAME
    repository = tmp_path / "models--laion--CLIP-ViT-B-16-DataComp.XL-s13B-b90K"
    for name, text in (("refs/main", "abc"), (f"snapshots/abc/{embedders.CLIP_FILES[1]}", "w")):
        (repository / name).parent.mkdir(parents=True)
        (repository / name).write_text(text)
    assert embedders.cached_clip() == repository / "snapshots/abc" / embedders.CLIP_FILES[1]
    assert embedders.choose("", 112).name == embedders.CLIP_NAME
    assert embedders.choose("", 112, cached=False).name == embedders.LITE_NAME
