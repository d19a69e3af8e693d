"""From a folder with an experiment to a figure: cells for an editor that knows `# %%`, or a script."""

# %% What there is: images and responses (stimuli x voxels); ROIs and coordinates make a better picture
from pathlib import Path

from brainbench import run
from brainbench.plot import layer_map, roi_bars, save

data = Path("myexperiment")

# %% One network, one encoder; what was done before is not done again
records = run("pixels", "factortopy", dataset="folder", data=data, no_controls=True, results="example")
print(records[["backbone", "encoder", "subject", "r2.all", "confidence.all"]].to_string())

# %% What each voxel reads, and how well it is predicted
(fitted,) = records.dropna(subset="encoder").to_dict("records")
save(layer_map(fitted), Path("layers.png"))
save(roi_bars(fitted), Path("rois.pdf"))
