# %% [markdown]
# # From a folder to answers
#
# One network, several questions about each picture: from a folder of pictures and a table of answers to
# scores with intervals and to answers for new pictures. Everything here is drawn by the program itself, so it
# needs no download.

# %%
from pathlib import Path

import numpy as np

import oneglance as og
from oneglance.data.synthetic import write_scenes

PICTURES, EPOCHS = 900, 20  # about two minutes on two cores

folder = Path("notebook")
scenes = folder / "scenes"
write_scenes(scenes, count=PICTURES)
print((scenes / "labels.csv").read_text(encoding="utf-8")[:290])

# %% [markdown]
# A row per picture. An empty cell means that nobody looked; it is not "no". `init` looks at the data and
# writes a first configuration, with comments that say why.

# %%
config = og.init(scenes / "images", scenes / "labels.csv", out=folder / "oneglance.toml", force=True)
print(config.read_text(encoding="utf-8"))

# %% [markdown]
# `check` names every problem at once, each with its location and what to do about it.

# %%
og.check(config)

# %% [markdown]
# Train. Any key can be changed without touching the file. All pictures of one scene go to the same split
# (the key `group`, which `init` found): else the network could recognise the scene instead of answering the
# question.

# %%
run = og.train(
    config,
    overrides={
        "augment.flip": False,  # a mirrored digit is no digit
        "backbone.options.width": 32,
        "training.epochs": EPOCHS,
        "training.batch": 32,
    },
    out=folder / "runs" / "scenes",
)
run.history()

# %% [markdown]
# Score it on the test split, which training has not touched. Each score has its 95 % interval, its n and
# the constant baseline beside it: the best answer that does not look at the picture.

# %%
report = run.evaluate()
report

# %% [markdown]
# The same numbers as plain values; `report.to_frame()` gives a table for pandas.

# %%
report["tasks"]["digit"]["metrics"]["accuracy"]

# %% [markdown]
# A loaded network stays loaded. `predict` takes a path, a folder, a Pillow picture, an array, bytes, or a
# list of these.

# %%
model = og.load(run.path)
pictures = sorted((scenes / "images").glob("*.png"))[:4]
answers = model.predict(pictures)
answers

# %%
answers[0]["answers"]["shapes"]

# %% [markdown]
# A picture unlike all that it has learned from is called so: `unfamiliar` is the share of validation
# pictures that lie nearer to the training pictures than this one.

# %%
noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
print("drawn:", *(answer["unfamiliar"] for answer in answers))
print("noise:", model.predict(noise)[0]["unfamiliar"])

# %% [markdown]
# From here: `og.compare` says whether learning together helped, `og.export` writes one file that answers
# without torch, and `og.serve` puts it behind HTTP with a page for people.
