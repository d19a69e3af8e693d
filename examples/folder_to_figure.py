"""From a folder with an experiment to a figure: cells for an editor that knows `# %%`, or a script."""

# %% What there is: images and responses (stimuli x voxels); ROIs and coordinates make a better picture
from pathlib import Path

from brainbench import run
from brainbench.plot import chosen_voxels, layer_map, save

data = Path("myexperiment")

# %% One network, one encoder; what was done before is not done again
records = run("pixels", "factortopy", dataset="folder", data=data, no_controls=True, results="example")
print(records[["backbone", "encoder", "subject", "r2.all", "confidence.all"]].to_string())

# %% What each voxel reads
voxels = chosen_voxels(Path("example"), "pixels")
save(layer_map(voxels), Path("layers.png"))
