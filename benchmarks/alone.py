"""One contestant in a process of its own: `python -m benchmarks.alone WHAT Z Y X ...`."""

from __future__ import annotations

import json
import sys
from functools import partial

from benchmarks import contestants as c
from benchmarks.measure import peak_of
from napari_attn_unet.engine.memory import evaluation_bytes
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.planning import choose_plan


def main(  # noqa: PLR0913  (a command line)
    what: str, z: str, y: str, x: str, precision: str, how: str = "0"
) -> None:
    """Print seconds, peak bytes and, where there is one, the estimate, as JSON."""
    size = (int(z), int(y), int(x))
    net, volume = c.network(), c.image(size)
    small = c.image((32, 32, 32))
    measured: dict[str, float] = {}
    if what == "plain":
        c.plain(net, small)
        task = partial(c.plain, net, volume)
    else:
        folded = c.folded(net, precision)
        itemsize = next(folded.parameters()).element_size()
        limit = int(float(how) * 1e9)
        plan = choose_plan(net.config, size, itemsize, limit) if limit else Plan(2, 2, 8)
        c.ours(folded, small, Plan())
        measured["estimate"] = evaluation_bytes(net.config, size, plan, itemsize)
        task = partial(c.ours, folded, volume, plan)
    measured["seconds"], measured["bytes"] = peak_of(task)
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
