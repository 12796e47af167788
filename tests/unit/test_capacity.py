"""Sizes compared with an engine's capacity, on both sides of each bound."""

from __future__ import annotations

import pytest

from funcsvc.engine.capacity import check_size
from funcsvc.model import MEGABYTE, SIZES, Capacity
from funcsvc.model.errors import SizeTooLarge

PLENTY = 2**50


def refusal(size: str, cpus: int, memory_bytes: int, *, cap_cpus: bool) -> dict:
    with pytest.raises(SizeTooLarge) as caught:
        check_size(SIZES[size], Capacity(cpus, memory_bytes), cap_cpus=cap_cpus)
    return dict(caught.value.field_errors)


@pytest.mark.parametrize("cap_cpus", [True, False])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_size_fits_an_engine_that_has_just_as_much(size, cap_cpus):
    check_size(size, Capacity(size.cpus, size.memory_bytes), cap_cpus=cap_cpus)


@pytest.mark.parametrize("size", ["m2", "m3", "l1", "l2", "l3"])
def test_size_with_one_cpu_more_than_the_engine_is_refused(size):
    cpus = SIZES[size].cpus
    assert refusal(size, cpus - 1, PLENTY, cap_cpus=False) == {
        "ContainerSize": [
            f'ContainerSize is "{size}", but must fit the engine: '
            f"it needs {cpus} CPUs, and the engine has {cpus - 1}."
        ]
    }


@pytest.mark.parametrize("size", ["m2", "l1", "l3"])
def test_size_with_more_cpus_passes_where_the_operator_caps_them(size):
    check_size(SIZES[size], Capacity(1, PLENTY), cap_cpus=True)


@pytest.mark.parametrize("cap_cpus", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_size_with_a_byte_more_memory_than_the_engine_is_refused(size, cap_cpus):
    memory_bytes = SIZES[size].memory_bytes
    (sentence,) = refusal(size, 8, memory_bytes - 1, cap_cpus=cap_cpus)["ContainerSize"]
    assert sentence.startswith(f'ContainerSize is "{size}", but must fit the engine: it needs ')
    assert f"{memory_bytes // MEGABYTE} MB of memory" in sentence


def test_memory_that_the_engine_lacks_is_named():
    assert refusal("l3", 8, 16000 * MEGABYTE, cap_cpus=False) == {
        "ContainerSize": [
            'ContainerSize is "l3", but must fit the engine: '
            "it needs 16384 MB of memory, and the engine has 16000 MB."
        ]
    }
