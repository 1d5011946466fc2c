"""What docs/models.md says of the presets that are called reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plugins import Registry

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def sections() -> dict[str, str]:
    """Text by heading; a heading may name several models."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        found |= dict.fromkeys(heading.split(", "), text)
    return found


def test_every_model_has_a_section_and_no_other_has() -> None:
    assert set(sections()) == {entry.name for entry in Registry().entries("models")}


@pytest.mark.parametrize("name", sorted(sections()))
def test_a_section_names_every_setting_of_the_preset(name: str) -> None:
    model = Registry().load("models", name)
    larger = [changed for sides in model.presets_from.values() for changed in sides.values()]
    settings = {key for overrides in (model.presets.get("reference", {}), *larger) for key in overrides}
    assert [key for key in sorted(settings) if f"`{key}`" not in sections()[name]] == []
