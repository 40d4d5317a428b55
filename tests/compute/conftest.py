"""A store with three results on the list of a chapter, for those who publish and tidy."""

import pytest
from toy_recipes import RECIPES, ToyEval, ToyTrain, remember

from mrinb.compute import workers
from mrinb.compute.context import Context
from mrinb.compute.runner import ensure


@pytest.fixture
def context(tmp_path):
    workers._store.cache_clear()
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


@pytest.fixture
def chapter(context, tmp_path):
    """Three results of chapter 03 in the store, on its list."""
    train = ToyTrain(log=str(tmp_path / "log"))
    specs = [train, ToyEval(train=train), ToyEval(train=train, number=1)]
    ensure(specs, context, RECIPES)
    remember(context, "03_one-quick", specs)
    return specs


@pytest.fixture
def book(tmp_path):
    return tmp_path / "book" / "results"
