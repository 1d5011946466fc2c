import zipfile

import numpy as np
import pytest
from PIL import Image
from rawfiles import png16

from harness.api import ScoreError
from harness.scoring.generated import load_images


def pixels(seed=0, side=8, channels=1):
    return np.random.default_rng(seed).integers(0, 256, (channels, side, side), dtype=np.uint8)


def save(path, array, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = array[0] if len(array) == 1 else array.transpose(1, 2, 0)
    image = Image.fromarray(np.ascontiguousarray(array))
    (image.convert(mode) if mode else image).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        save(tmp_path / "made" / f"{number}.png", pixels(number))
    return tmp_path / "made"


def test_a_folder_is_read_in_the_order_of_names_without_changing_a_pixel(folder):
    save(folder / "deeper" / "9.png", pixels(9))
    (folder / "notes.txt").write_text("not an image")
    (folder / "._0.png").write_bytes(b"what a Mac leaves behind")
    images = load_images(folder)
    assert images.dtype == np.uint8
    assert np.array_equal(images, np.stack([pixels(i) for i in (0, 1, 2, 9)]))


def test_a_zip_is_read_like_its_folder(folder, tmp_path):
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in reversed(sorted(folder.iterdir())):
            file.write(path, f"inside/{path.name}")
        file.writestr("__MACOSX/inside/._0.png", b"junk")
    assert np.array_equal(load_images(archive), load_images(folder))


@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW"])
def test_arrays_of_every_layout(tmp_path, layout):
    images = np.stack([pixels(i, channels=1 if layout == "NHW" else 3) for i in range(4)])
    stored = {"NHW": images[:, 0], "NHWC": images.transpose(0, 2, 3, 1), "NCHW": images}[layout]
    np.save(tmp_path / "made.npy", stored)
    assert np.array_equal(load_images(tmp_path / "made.npy"), images)


def test_colour_palettes_and_black_and_white_lose_nothing(tmp_path):
    colour = pixels(0, channels=3) // 128 * 255
    save(tmp_path / "p" / "0.png", colour, mode="P")
    assert np.array_equal(load_images(tmp_path / "p")[0], colour)
    save(tmp_path / "b" / "0.png", pixels(0) // 128 * 255, mode="1")
    assert np.array_equal(load_images(tmp_path / "b")[0], pixels(0) // 128 * 255)


def test_another_size_names_the_first_such_file(folder):
    save(folder / "1b.png", pixels(5, side=16))
    with pytest.raises(ScoreError, match=r"1b\.png is 16 x 16 grey, 0\.png is 8 x 8 grey") as caught:
        load_images(folder)
    assert "one size" in caught.value.hint


def test_a_mix_of_grey_and_colour_names_the_first_such_file(folder):
    save(folder / "2.png", pixels(5, channels=3))
    with pytest.raises(ScoreError, match=r"2\.png is 8 x 8 RGB, 0\.png is 8 x 8 grey"):
        load_images(folder)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("RGBA", "alpha"), ("LA", "alpha"), ("I;16", "8 bits"), ("F", "8 bits"), ("CMYK", "grey")],
)
def test_modes_that_need_a_decision_are_errors(tmp_path, mode, words):
    path = tmp_path / "made" / f"0.{'tif' if mode in ('F', 'CMYK') else 'png'}"
    path.parent.mkdir()
    Image.new(mode, (8, 8)).save(path)
    with pytest.raises(ScoreError) as caught:
        load_images(path.parent)
    assert path.name in caught.value.found
    assert words in str(caught.value)


def test_a_damaged_file_is_named(folder):
    content = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ScoreError, match=r"1\.png is damaged"):
        load_images(folder)


def test_nothing_to_score_is_an_error(tmp_path):
    with pytest.raises(ScoreError, match="holds no images"):
        load_images(tmp_path)
    with pytest.raises(ScoreError, match="not there"):
        load_images(tmp_path / "typo")
    (tmp_path / "made.rar").write_bytes(b"?")
    with pytest.raises(ScoreError, match="unknown kind"):
        load_images(tmp_path / "made.rar")
    np.save(tmp_path / "none.npy", np.zeros((0, 8, 8), np.uint8))
    with pytest.raises(ScoreError, match="holds no images"):
        load_images(tmp_path / "none.npy")


def test_floats_are_an_error_that_says_how_to_convert(tmp_path):
    array = np.zeros((2, 8, 8))
    np.save(tmp_path / "float.npy", array)
    with pytest.raises(ScoreError, match="float64") as caught:
        load_images(tmp_path / "float.npy")
    assert "127.5" in caught.value.hint
    array[1, 2, 3] = np.nan
    np.save(tmp_path / "float.npy", array)
    with pytest.raises(ScoreError, match="with NaN"):
        load_images(tmp_path / "float.npy")


def test_pickled_arrays_and_other_shapes_are_errors(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ScoreError, match="can't be read"):
        load_images(tmp_path / "objects.npy")
    np.savez(tmp_path / "several.npz", np.zeros((1, 8, 8), np.uint8))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    with pytest.raises(ScoreError, match="can't be read as an array"):
        load_images(tmp_path / "several.npy")
    np.save(tmp_path / "five.npy", np.zeros((2, 5, 8, 8), np.uint8))
    with pytest.raises(ScoreError, match=r"\(2, 5, 8, 8\)"):
        load_images(tmp_path / "five.npy")


def test_what_guided_diffusion_writes_is_read(tmp_path):
    images = np.stack([pixels(i, channels=3) for i in range(4)])
    np.savez(tmp_path / "samples.npz", images.transpose(0, 2, 3, 1), np.arange(4))
    assert np.array_equal(load_images(tmp_path / "samples.npz"), images)
    np.savez_compressed(tmp_path / "named.npz", samples=images, seeds=np.arange(4))
    assert np.array_equal(load_images(tmp_path / "named.npz"), images)


@pytest.mark.parametrize(
    ("arrays", "found", "hint"),
    [
        (
            {"a": np.zeros((2, 8, 8), np.uint8), "b": np.zeros((2, 8, 8), np.uint8)},
            r"a uint8 \(2, 8, 8\)",
            "savez",
        ),
        (
            {"mu": np.zeros(4), "sigma": np.eye(4)},
            r"mu float64 \(4,\)",
            "--reference stats.npz --metrics fid",
        ),
        ({}, "holds nothing", "savez"),
        ({"arr_0": np.zeros((2, 8, 8))}, "float64", "127.5"),
    ],
)
def test_an_archive_of_something_else_says_what_it_holds(tmp_path, arrays, found, hint):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ScoreError, match=found) as caught:
        load_images(tmp_path / "a.npz")
    assert hint in caught.value.hint


def test_a_damaged_archive_of_arrays_is_an_error(tmp_path):
    np.savez(tmp_path / "a.npz", np.zeros((2, 8, 8), np.uint8))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ScoreError, match="can't be read as an array"):
        load_images(tmp_path / "a.npz")


def test_a_stack_of_pages_is_as_many_images(tmp_path):
    images = [Image.fromarray(pixels(i)[0]) for i in range(3)]
    images[0].save(tmp_path / "stack.tif", save_all=True, append_images=images[1:])
    expected = np.stack([pixels(i) for i in range(3)])
    assert np.array_equal(load_images(tmp_path / "stack.tif"), expected)
    # In a folder, too, before and after files of one page.
    (tmp_path / "made").mkdir()
    save(tmp_path / "made" / "0.png", pixels(7))
    (tmp_path / "stack.tif").rename(tmp_path / "made" / "1.tif")
    save(tmp_path / "made" / "2.png", pixels(8))
    assert np.array_equal(load_images(tmp_path / "made"), np.stack([pixels(i) for i in (7, 0, 1, 2, 8)]))


def test_pages_of_other_sizes_are_an_error(tmp_path):
    pages = [Image.new("L", (8, 8)), Image.new("L", (8, 9))]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ScoreError, match=r"stack\.tif is 8 x 9 grey"):
        load_images(tmp_path / "stack.tif")


def test_folders_of_classes_and_links_to_them_are_read(tmp_path):
    for number, name in enumerate(("made/cat", "made/dog", "elsewhere")):
        save(tmp_path / name / "0.png", pixels(number))
    (tmp_path / "made" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "made" / "loop").symlink_to(tmp_path / "made")
    assert np.array_equal(load_images(tmp_path / "made"), np.stack([pixels(i) for i in range(3)]))


def test_colours_of_16_bits_are_not_cut_to_8(tmp_path):
    (tmp_path / "made").mkdir()
    png16(tmp_path / "made" / "0.png", np.zeros((8, 8, 3), np.uint16))
    with pytest.raises(ScoreError, match="more than 8 bits"):
        load_images(tmp_path / "made")


def test_one_picture_in_colour_is_no_stack(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ScoreError, match="holds one picture"):
        load_images(tmp_path / "a.npy")
