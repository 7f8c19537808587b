import os
import subprocess
import sys

import numpy as np
import pytest

from icemap.errors import IcemapError
from icemap.land import MASK_COLS, MASK_ROWS, open_land_bits

# The child's own high-water mark: ru_maxrss would start from its parent's.
UNPACK = """
import hashlib, re
from icemap.land import open_land_bits
bits = open_land_bits()
print(hashlib.sha256(bits.tobytes()).hexdigest(), re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""  # noqa: E501
# Of the mask of global-land-mask 1.0.0, from which every virtual Arctic so far was made.
BITS = "5e1ecc99929cc497827aeb37b107c9f773e06a34158ab75bf9bb11dab25b130d"


@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc")
def test_racing_processes_unpack_one_whole_file(tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", UNPACK], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    results = [process.communicate(timeout=600)[0].split() for process in running]
    assert {digest for digest, _ in results} == {BITS}
    # kB; one bit a cell is 58 MB.
    assert max(int(peak) for _, peak in results) < 400e3
    files = list((tmp_path / "icemap").iterdir())
    assert [path.name for path in files] == ["land-mask-v1.bits"]
    assert files[0].stat().st_size == MASK_ROWS * MASK_COLS // 8


def test_a_damaged_file_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "icemap").mkdir()
    (tmp_path / "icemap" / "land-mask-v1.bits").write_bytes(b"cut short")
    assert 0.2 < np.unpackbits(open_land_bits()[::50]).mean() < 0.5


def test_an_unwritable_cache_is_said_in_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(IcemapError, match="set XDG_CACHE_HOME"):
        open_land_bits()
