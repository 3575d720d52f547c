#!/usr/bin/env bash
# From a fresh machine to a network that answers over HTTP, on drawn photographs of three kinds.
#
#     bash examples/first_hour.sh [FOLDER] [what `oneglance start` may get besides]
#
# FOLDER is new; default: first_hour. Only Python 3.11 or newer is needed: oneglance is installed into
# FOLDER/.venv. With ONEGLANCE_PYTHON=python3 that Python is used as it is, with oneglance in it already.
# PICTURES is how many are drawn of each kind; default: 80.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-first_hour}
shift || true
mkdir -p "$folder"
cd "$folder"

echo "1. oneglance and all it needs"
if [ -n "${ONEGLANCE_PYTHON:-}" ]; then
    python=$ONEGLANCE_PYTHON
else
    python3 -m venv .venv
    python=$PWD/.venv/bin/python
    "$python" -m pip install --quiet --constraint "$repository/constraints.txt" "$repository[train,serve,export]"
fi
oneglance() { "$python" -m oneglance "$@"; }
oneglance --version

echo "2. photographs, a folder per kind"
"$python" - "${PICTURES:-80}" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

random = np.random.default_rng(0)


def photograph(kind: str) -> Image.Image:
    """A ball, a box or a tent on a floor, in some light, from some distance."""
    sky, floor, thing = (tuple(int(v) for v in random.integers(40, 230, 3)) for _ in range(3))
    picture = Image.new("RGB", (160, 120), sky)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 80, 160, 120), fill=floor)
    size, x, y = int(random.integers(25, 60)), int(random.integers(10, 90)), int(random.integers(20, 55))
    around = (x, y, x + size, y + size)
    if kind == "ball":
        draw.ellipse(around, fill=thing, outline="black")
    elif kind == "box":
        draw.rectangle(around, fill=thing, outline="black")
    else:
        draw.polygon([(x, y + size), (x + size, y + size), (x + size // 2, y)], fill=thing, outline="black")
    grainy = np.asarray(picture.filter(ImageFilter.GaussianBlur(1))) + random.normal(0, 8, (120, 160, 3))
    return Image.fromarray(np.clip(grainy, 0, 255).astype(np.uint8))


for kind in ("ball", "box", "tent"):
    for folder, count in ((Path("photos") / kind, int(sys.argv[1])), (Path("new"), 2)):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            photograph(kind).save(folder / f"{kind}{number}.jpg")
PYTHON

echo "3. look, train, evaluate"
oneglance start photos --yes "$@"

echo "4. answers for new pictures"
oneglance predict runs/photos new --out answers.csv
cut -d, -f1,6,7 answers.csv

echo "5. the network as one file, and as a service"
oneglance export runs/photos
# Not through the function above: then $! would be a shell around it, and the service would outlive this script.
"$python" -m oneglance serve runs/photos/model.onnx --port 0 --processes 1 >served.txt 2>&1 &
service=$!
trap 'kill "$service" 2>/dev/null || true' EXIT
"$python" - <<'PYTHON'
import base64
import json
import re
import time
from pathlib import Path
from urllib.request import Request, urlopen

for _ in range(240):  # half a minute and more where the machine is busy
    if found := re.search(r"http://[\d.]+:\d+", Path("served.txt").read_text()):
        break
    time.sleep(0.5)
else:
    raise SystemExit("the service does not start: see served.txt")
pictures = [{"name": f.name, "data": base64.b64encode(f.read_bytes()).decode()} for f in Path("new").iterdir()]
body = json.dumps({"pictures": pictures}).encode()
request = Request(f"{found[0]}/predict", body, {"content-type": "application/json"})
for row in json.load(urlopen(request))["pictures"]:
    print(row["image"], row["answers"]["folder"]["value"], sep="  ")
PYTHON
echo "done: $PWD/runs/photos/report.html, and: oneglance serve runs/photos"
